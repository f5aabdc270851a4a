import { address, get } from './api.js';
import { h, fill, toast } from './dom.js';

const snippets = (host, port, namespace, web) => ({
  curl: ['In any shell', `curl -X PUT -H 'Content-Type: application/json' \\
  -d '{"bins": {"name": "Ada", "visits": 1}}' ${web}db/${namespace}/users/ada
curl ${web}db/${namespace}/users/ada`],
  Python: ['pip install aerospike', `import aerospike

client = aerospike.client({"hosts": [("${host}", ${port})]})
key = ("${namespace}", "users", "ada")
client.put(key, {"name": "Ada", "visits": 1})
print(client.get(key)[2])`],
  Java: ['com.aerospike:aerospike-client-jdk8', `var client = new AerospikeClient("${host}", ${port});
var key = new Key("${namespace}", "users", "ada");
client.put(null, key, new Bin("name", "Ada"), new Bin("visits", 1));
System.out.println(client.get(null, key));`],
  Go: ['go get github.com/aerospike/aerospike-client-go/v8', `client, err := aerospike.NewClient("${host}", ${port})
if err != nil { log.Fatal(err) }
key, _ := aerospike.NewKey("${namespace}", "users", "ada")
client.Put(nil, key, aerospike.BinMap{"name": "Ada", "visits": 1})
record, _ := client.Get(nil, key)
fmt.Println(record.Bins)`],
  'Node.js': ['npm install aerospike', `const aerospike = require('aerospike')
const client = await aerospike.connect({ hosts: '${host}:${port}' })
const key = new aerospike.Key('${namespace}', 'users', 'ada')
await client.put(key, { name: 'Ada', visits: 1 })
console.log((await client.get(key)).bins)`],
  'C#': ['dotnet add package Aerospike.Client', `var client = new AerospikeClient("${host}", ${port});
var key = new Key("${namespace}", "users", "ada");
client.Put(null, key, new Bin("name", "Ada"), new Bin("visits", 1));
Console.WriteLine(client.Get(null, key));`],
  Rust: ['cargo add aerospike', `let client = Client::new(&ClientPolicy::default(), &"${host}:${port}").await?;
let key = as_key!("${namespace}", "users", "ada");
client.put(&WritePolicy::default(), &key, &[as_bin!("name", "Ada"), as_bin!("visits", 1)]).await?;
println!("{}", client.get(&ReadPolicy::default(), &key, Bins::All).await?);`],
  JavaScript: ['In a page of this node, or of an origin in http.cors-origin', `const record = '${web}db/${namespace}/users/ada'
await fetch(record, {
  method: 'PUT',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ bins: { name: 'Ada', visits: 1 } }),
})
console.log(await (await fetch(record)).json())`],
});

export function show({ main, every }) {
  const body = h('div', {});
  main.append(h('h1', {}, 'First steps'), h('p', { class: 'lead' }, 'Write a record and read it back, in your language, with this cluster\'s addresses.'), body);
  every(60000, async () => {
    const { records, namespaces } = await get('addresses');
    const first = records[0] || '127.0.0.1:3000';
    const cut = first.lastIndexOf(':');
    const web = address('').href;
    const all = snippets(first.slice(0, cut), first.slice(cut + 1), namespaces[0], web);
    fill(body, h('div', { class: 'grid charts' }, Object.entries(all).map(([name, [before, code]]) => h('section', { class: 'panel' },
      h('h2', {}, name, h('button', { class: 'aside', type: 'button', 'aria-label': `Copy ${name}`, onclick: () => copy(code) }, 'Copy')),
      h('p', { class: 'muted small' }, before), h('pre', { tabindex: '0' }, code)))),
    h('section', { class: 'panel' }, h('h2', {}, 'Where the nodes are'),
      h('p', {}, 'Clients need one address and find the others by themselves.'), h('pre', { tabindex: '0' }, records.join('\n'))));
  });
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); toast('Copied.'); } catch { toast('The browser does not let this page copy; select the text instead.'); }
}
