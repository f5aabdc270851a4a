//! Where log lines go: `logs`, `log/ID`, `log-set`.

use super::answer::{Answer, InfoError};
use super::ask::Ask;

pub(super) fn logs(ask: &Ask<'_>) -> Answer {
    let mut text = String::new();
    for (id, sink) in ask.node.config().logging.sinks().iter().enumerate() {
        if id > 0 {
            text.push(';');
        }
        text.push_str(&format!("{id}:{}", sink.name()));
    }
    Ok(text)
}

pub(super) fn log(ask: &Ask<'_>) -> Answer {
    let id = ask.command.path().and_then(|path| path.parse::<usize>().ok());
    let id = id.ok_or_else(|| InfoError::parameter("bad sink-id"))?;
    let sinks = ask.node.config().logging.sinks();
    let sink = sinks.get(id).ok_or_else(|| InfoError::without_code("bad-id"))?;
    let levels = sink.levels().map(|(context, level)| format!("{context}:{}", level.word()));
    Ok(levels.collect::<Vec<_>>().join(";"))
}

pub(super) fn log_set(ask: &Ask<'_>) -> Answer {
    let bad = || InfoError::parameter("bad parameter");
    let id = ask.param(&["id"]).and_then(|id| id.parse::<usize>().ok()).ok_or_else(bad)?;
    let mut changed = false;
    for (context, level) in ask.command.params().filter(|(key, _)| *key != "id") {
        ask.node.config().logging.set_level(id, context, level).map_err(|_| bad())?;
        changed = true;
    }
    if changed { Ok("ok".to_owned()) } else { Err(bad()) }
}
