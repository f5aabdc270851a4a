// Varnish and nginx, as deploy/varnish.vcl and deploy/nginx.conf have them, in front of these nodes.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const deploy = (name) => readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');

// The nodes of the file, in their order, are these.
function placed(text, pattern, nodes) {
  let number = 0;
  return text.replace(pattern, (line) => line.replace('127.0.0.1', nodes[number++ % nodes.length]));
}

function start(program, words, folder) {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => { said += text; });
  child.on('error', (error) => console.log(`${program} is needed (Debian's package): ${error.message}`));
  child.on('exit', (code) => { if (!child.wanted) console.log(`${program} ended with ${code}: ${said.trim()}`); });
  return {
    // Resolves when it is gone, with what it left.
    end() {
      child.wanted = true;
      const gone = new Promise((resolve) => child.on('exit', resolve).on('error', resolve));
      if (!child.kill('SIGTERM')) return rmSync(folder, { recursive: true, force: true });
      return gone.then(() => rmSync(folder, { recursive: true, force: true }));
    },
  };
}

export function varnish(address, port, nodes) {
  const folder = mkdtempSync(join(tmpdir(), 'shipload-varnish-'));
  const file = join(folder, 'varnish.vcl');
  writeFileSync(file, placed(deploy('varnish.vcl'), /\.host = "127\.0\.0\.1"/g, nodes));
  // Workers of its own need no jail here, and no room on the disk.
  const words = ['-F', '-f', file, '-a', `${address}:${port}`, '-n', join(folder, 'work'), '-s', 'malloc,64m', '-j', 'none', '-T', 'none',
    '-p', 'vsl_space=8m'];
  return { ...start('varnishd', words, folder), url: `http://${address}:${port}` };
}

export function nginx(address, port, nodes) {
  const folder = mkdtempSync(join(tmpdir(), 'shipload-nginx-'));
  mkdirSync(join(folder, 'copies'));
  const file = join(folder, 'nginx.conf');
  const text = placed(deploy('nginx.conf'), /server 127\.0\.0\.1:4200/g, nodes)
    .replace('listen 8081;', `listen ${address}:${port};`)
    .replace('/var/lib/nginx/shipload', join(folder, 'copies'))
    .replace('http {', ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .reduce((lines, kind) => `${lines}\n    ${kind === 'body' ? 'client_body' : kind}_temp_path ${folder}/${kind};`, 'http {'));
  writeFileSync(file, text);
  // Started by root its workers would be somebody who may not write here.
  const user = process.getuid() === 0 ? 'user root; ' : '';
  const words = ['-c', file, '-e', 'stderr', '-g', `${user}daemon off; pid ${folder}/pid; error_log stderr crit;`];
  return { ...start('nginx', words, folder), url: `http://${address}:${port}` };
}
