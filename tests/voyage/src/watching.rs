//! `shipload watch` against labelled containers of several applications, and against nodes that can't find each other.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::docker::Docker;
use crate::engines::{Engine, Engines, TLS_PORT, as_visitor};
use crate::load::{Visitors, once_as};
use crate::production::pages_up;
use crate::seen::{one_cluster, places};
use crate::table::Table;
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: &str = "--network shop --restart always --label shipload.service=page \
                    --label shipload.host=prod.awesome-counter.com --label shipload.check=/readyz \
                    --no-healthcheck shipload:dev counter --host shopdb --listen-port 5000";

pub(crate) fn run(engines: &mut Engines, table: &mut Table) -> Result<()> {
    let docker = engines.get(0)?.docker.clone();
    let socket = engines.get(0)?.socket();
    let balancer: SocketAddr = format!("{}:8081", engines.get(0)?.address()).parse()?;
    docker.line("network create shop")?;
    let certificates = engines.get(0)?.certificates.folder().display().to_string();
    let watcher = format!(
        "run -d --name watcher --restart always --network shop -p 8081:80 -p 8443:443 -v {socket}:/var/run/docker.sock \
         -v {certificates}:/certs:ro shipload-watch:dev --folder /run/shipload --bind *:80 --network shop"
    );
    docker.line(&watcher)?;
    docker.line("run -d --name shopdb --restart always --network shop shipload:dev")?;
    several(&docker, balancer, table)?;
    moves(&docker, balancer, table)?;
    changes(&docker, balancer, table)?;
    certified(engines.get(0)?, balancer, table)?;
    introduce(engines, table)?;
    restart(engines, balancer, table)?;
    with_tls(engines.get(0)?, balancer, table)?;
    docker.remove_all()?;
    docker.line("network rm shop").map(|_| ())
}

fn page(docker: &Docker, name: &str) -> Result<()> {
    // The port is exposed by the label's absence: the image exposes several, so it is named.
    let line = format!("run -d --name {name} --label shipload.port=5000 {PAGE}");
    docker.line(&line).map(|_| ())
}

fn up(balancer: SocketAddr, count: usize) -> Result<Duration> {
    let (_, took) =
        wait::until("the load balancer follows", PATIENCE, || match pages_up(balancer, "page")? {
            up if up == count => Ok(()),
            up => bail!("{up} of {count} pages are up"),
        })?;
    Ok(took)
}

fn log(docker: &Docker) -> Result<String> {
    docker.run_both(&["logs", "watcher"])
}

fn loads(docker: &Docker) -> Result<usize> {
    Ok(log(docker)?.lines().filter(|line| line.contains("loaded, ")).count())
}

fn several(docker: &Docker, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("W1", "watch: several apps, reasons for skipping", || {
        page(docker, "page1")?;
        page(docker, "page2")?;
        let plain = "--network shop --no-healthcheck";
        let app = "shipload:dev counter --host shopdb";
        docker.line(&format!("run -d --name other {plain} --label interlock.domain=other.example --label interlock.port=5000 {app}"))?;
        docker.line(&format!("run -d --name orphan {plain} --label shipload.port=5000 {app}"))?;
        let torn = "--label shipload.host=x.example --label shipload.port=1 --label interlock.port=2";
        docker.line(&format!("run -d --name torn {plain} {torn} {app}"))?;
        let took = up(balancer, 2)?;
        docker.line(&format!("run -d --name rival {plain} --label shipload.host=prod.awesome-counter.com --label shipload.port=5000 {app}"))?;
        let (_, _) = wait::until("hosts are told apart", PATIENCE, || {
            let status = |host: &str| once_as(balancer, host, "/", &[]).map(|answer| answer.status);
            let found = (status("prod.awesome-counter.com")?, status("other.example")?, status("unknown.example")?);
            let said = log(docker)?;
            let told = ["orphan is passed over", "torn is passed over", "rival is passed over"];
            match told.iter().find(|text| !said.contains(**text)) {
                None if found == (200, 200, 503) => Ok(()),
                missing => bail!("{found:?}, missing {missing:?}"),
            }
        })?;
        Ok(((), format!("2 pages up after {} ms; unknown host 503; orphan, torn and rival passed over with reasons", took.as_millis())))
    })
}

fn moves(docker: &Docker, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("W2", "watch: start, stop, kill; no reload", || {
        let before = loads(docker)?;
        let visitors = Visitors::start(2, balancer);
        page(docker, "page3")?;
        let third = up(balancer, 3)?;
        docker.line("stop -t 5 page1")?;
        up(balancer, 2)?;
        docker.line("rm -f page2")?;
        up(balancer, 1)?;
        docker.line("start page1")?;
        up(balancer, 2)?;
        let told = visitors.stop()?;
        let after = loads(docker)?;
        let found = format!(
            "third page up after {} ms; {} visits, {} failed {:?}; file loaded {} times more",
            third.as_millis(),
            told.counted,
            told.failed,
            told.errors,
            after - before
        );
        if after != before || told.misled() > 0 {
            bail!("{found}");
        }
        Ok(((), found))
    })?;
    table.step("W3", "watch: the watcher is killed in the middle", || {
        docker.line("kill watcher")?;
        page(docker, "page4")?;
        // Docker takes a kill for the user's wish.
        docker.line("start watcher")?;
        let took = up(balancer, 3)?;
        Ok(((), format!("3 pages up {} ms after its start", took.as_millis())))
    })
}

/// Another address takes no reload, another host name takes one.
fn changes(docker: &Docker, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("W3a", "watch: another address; no reload", || {
        let address = || docker.line("inspect -f {{.NetworkSettings.Networks.shop.IPAddress}} page3");
        let (before, visitors) = (loads(docker)?, Visitors::start(2, balancer));
        let old = address()?;
        docker.line("stop -t 5 page3")?;
        up(balancer, 2)?;
        // Somebody takes the address meanwhile.
        docker.line(
            "run -d --name filler --network shop --no-healthcheck shipload:dev counter --host shopdb",
        )?;
        docker.line("start page3")?;
        let (new, took) = (address()?, up(balancer, 3)?);
        docker.line("rm -f filler")?;
        let told = visitors.stop()?;
        let found = format!(
            "{old}, then {new}: up after {} ms; {} visits, {} failed {:?}; file loaded {} times more",
            took.as_millis(),
            told.counted,
            told.failed,
            told.errors,
            loads(docker)? - before
        );
        if old == new || told.misled() > 0 || loads(docker)? != before {
            bail!("{found}");
        }
        Ok(((), found))
    })?;
    table.step("W3b", "watch: a new host name; one reload", || {
        let (before, visitors) = (loads(docker)?, Visitors::start(2, balancer));
        let status = |wanted: u16| {
            wait::until("the host name is followed", PATIENCE, || {
                match once_as(balancer, "late.example", "/", &[])?.status {
                    status if status == wanted => Ok(()),
                    status => bail!("status {status}"),
                }
            })
        };
        docker.line(
            "run -d --name late --network shop --no-healthcheck --label com.docker.lb.hosts=late.example \
             --label com.docker.lb.port=5000 shipload:dev counter --host shopdb",
        )?;
        let (_, there) = status(200)?;
        let more = loads(docker)? - before;
        docker.line("rm -f late")?;
        let (_, gone) = status(503)?;
        let (told, less) = (visitors.stop()?, loads(docker)? - before - more);
        let found = format!(
            "answers after {} ms by {more} reload, gone after {} ms by {less}; {} visits, {} failed {:?}",
            there.as_millis(),
            gone.as_millis(),
            told.counted,
            told.failed,
            told.errors
        );
        if (more, less) != (1, 1) || told.misled() > 0 {
            bail!("{found}");
        }
        Ok(((), found))
    })
}

/// A certificate that is not there, one that comes, and one in its place.
fn certified(engine: &Engine, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let docker = &engine.docker;
    table.step("W3c", "watch: certificates; a reload for a new one", || {
        let (before, visitors) = (loads(docker)?, Visitors::start(2, balancer));
        docker.line(
            "run -d --name safe --network shop --no-healthcheck --label shipload.host=safe.example \
             --label shipload.port=5000 --label shipload.certificate=/certs/site/site.pem shipload:dev counter --host shopdb",
        )?;
        wait::until("the others are served without it", PATIENCE, || {
            match once_as(balancer, "safe.example", "/", &[])?.status {
                200 => Ok(()),
                status => bail!("status {status}"),
            }
        })?;
        let told = "the certificate /certs/site/site.pem is left out: No such file";
        wait::until("its absence is told", PATIENCE, || {
            let said = log(docker)?;
            if said.contains(told) { Ok(()) } else { bail!("{said}") }
        })?;
        let host = loads(docker)? - before;
        let mut took = Vec::new();
        for _ in 0..2 {
            engine.certificates.renew_site("safe.example")?;
            took.push(wait::until("the new certificate is shown", PATIENCE, || shows_newest(engine))?.1.as_millis());
        }
        let (told, reloads) = (visitors.stop()?, loads(docker)? - before - host);
        docker.line("rm -f safe")?;
        let found = format!(
            "absent: told, {host} reload for the host; shown after {took:?} ms by {reloads} reloads; {} visits, {} failed {:?}",
            told.counted, told.failed, told.errors
        );
        if (host, reloads) != (1, 2) || told.misled() > 0 {
            bail!("{found}");
        }
        Ok(((), found))
    })
}

/// Fails unless the load balancer shows the certificate that was made last.
fn shows_newest(engine: &Engine) -> Result<()> {
    let authority = engine.certificates.of("site/ca.pem");
    let address = format!("safe.example:8443:{}", engine.address());
    let words = ["-sS", "--max-time", "5", "--cacert", &authority, "--resolve", &address];
    let output =
        as_visitor(Path::new("curl")).args(words).arg("https://safe.example:8443/readyz").output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The watcher in its image, towards an engine that is no socket beside it.
fn with_tls(engine: &Engine, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    let docker = &engine.docker;
    table.step("W6", "watch: an engine with TLS", || {
        docker.line("rm -f watcher")?;
        let line = |whom: &str, how: &str| {
            let folder = engine.certificates.of(whom);
            let files = "--tls-ca /tls/ca.pem --tls-cert /tls/cert.pem --tls-key /tls/key.pem";
            let address = engine.address();
            docker.line(&format!(
                "run {how} --network shop -v {folder}:/tls:ro shipload-watch:dev --engine tcp://{address}:{TLS_PORT} \
                 {files} --folder /run/shipload --bind *:80 --network shop"
            ))
        };
        let because = "not signed by the authority that you named";
        match line("misled", "--rm") {
            Err(error) if format!("{error:#}").contains(because) => {}
            other => bail!("it was to be refused because it is '{because}': {other:?}"),
        }
        line("client", "-d --name watcher -p 8081:80")?;
        let there = up(balancer, 3)?;
        page(docker, "page5")?;
        let more = up(balancer, 4)?;
        docker.line("rm -f page5")?;
        let fewer = up(balancer, 3)?;
        Ok((
            (),
            format!(
                "another authority: refused; 3 pages up after {} ms, a 4th after {} ms, gone after {} ms",
                there.as_millis(),
                more.as_millis(),
                fewer.as_millis()
            ),
        ))
    })
}

/// Nodes whose names tell nothing and that have no seeds: what real Aerospike images are to a watcher.
fn introduce(engines: &Engines, table: &mut Table) -> Result<()> {
    let docker = &engines.get(0)?.docker;
    let label = "label=com.aerospike.cluster=awesome";
    table.step("W4", "watch: tip and tip-clear", || {
        let socket = engines.get(0)?.socket();
        for name in ["ada", "bob"] {
            docker.line(&format!("run -d --name {name} --network shop --label com.aerospike.cluster=awesome shipload:dev"))?;
        }
        std::thread::sleep(Duration::from_secs(3));
        if one_cluster(&places(engines, label)?, 2).is_ok() {
            bail!("they found each other without help");
        }
        docker.line(&format!(
            "run -d --name sidecar --network shop -v {socket}:/var/run/docker.sock --user 0 -e AEROSPIKE_NETWORK_NAME=shop \
             -e AEROSPIKE_CLUSTER_NAME=awesome --no-healthcheck shipload:dev watch --haproxy none"
        ))?;
        let (_, two) = wait::until("those who ran before", PATIENCE, || one_cluster(&places(engines, label)?, 2))?;
        docker.line("run -d --name eve --network shop --label com.aerospike.cluster=awesome shipload:dev")?;
        let (_, three) = wait::until("a newcomer", PATIENCE, || one_cluster(&places(engines, label)?, 3))?;
        docker.line("rm -f -v ada")?;
        let (_, left) = wait::until("two are left", PATIENCE, || one_cluster(&places(engines, label)?, 2))?;
        let said = wait::until("the gone one is cleared", PATIENCE, || {
            let said = docker.run_both(&["logs", "sidecar"])?;
            let calls = ["tip:host=", "tip-clear:host-port-list=", "services-alumni-reset"];
            let missing = calls.iter().find(|call| !said.contains(**call));
            missing.map_or(Ok(said.clone()), |call| bail!("no {call}: {said}"))
        });
        let tips = said.context("calls")?.0.matches("tip:host=").count();
        docker.run(&["rm", "-f", "-v", "bob", "eve", "sidecar"])?;
        Ok(((), format!(
            "2 after {} ms, 3 after {} ms, {tips} tips; one gone: cleared, 2 after {} ms",
            two.as_millis(), three.as_millis(), left.as_millis()
        )))
    })
}

fn restart(engines: &mut Engines, balancer: SocketAddr, table: &mut Table) -> Result<()> {
    table.step("W5", "watch: the engine restarts", || {
        engines.get_mut(0)?.shut_down()?;
        engines.get_mut(0)?.switch_on()?;
        engines.get(0)?.wait_ready()?;
        let took = up(balancer, 3)?;
        let (_, counts) = wait::until("the page counts", PATIENCE, || {
            match once_as(balancer, "prod.awesome-counter.com", "/", &[])? {
                answer if answer.status == 200 => Ok(()),
                answer => bail!("{} {}", answer.status, answer.body.trim()),
            }
        })?;
        Ok((
            (),
            format!(
                "3 pages up {} ms after the engine, counting {} ms later",
                took.as_millis(),
                counts.as_millis()
            ),
        ))
    })
}
