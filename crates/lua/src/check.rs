//! Whether a module is Lua at all, before it is registered.

use mlua::chunk::ChunkMode;
use mlua::{Lua, LuaOptions, StdLib};
use thiserror::Error;

/// Memory for compiling one module.
const MEMORY_BYTES: usize = 64 << 20;

/// Why a module does not compile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CompileError {
    /// The line on which the compiler gave up; 0 when there is none to name.
    pub line: u32,
    /// What it said, file and line included.
    pub message: String,
}

/// Compiles a module and throws the result away.
///
/// # Errors
/// When it is not Lua.
pub fn compile(file: &str, source: &[u8]) -> Result<(), CompileError> {
    let compiled = Lua::new_with(StdLib::NONE, LuaOptions::default()).and_then(|lua| {
        lua.set_memory_limit(MEMORY_BYTES)?;
        lua.load(source).set_name(chunk_name(file)).set_mode(ChunkMode::Text).into_function().map(|_| ())
    });
    compiled.map_err(|error| {
        let message = crate::text::of_error(&error);
        CompileError { line: line_of(file, &message), message }
    })
}

/// How Lua is told the name of a module's file.
pub(crate) fn chunk_name(file: &str) -> String {
    format!("@{file}")
}

fn line_of(file: &str, message: &str) -> u32 {
    let rest = message.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    rest.and_then(|rest| rest.split(':').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn names_the_line() {
        assert_eq!(compile("a.lua", b"function f() return 1 end"), Ok(()));
        let error = compile("bad.lua", b"local x\nfunction f( return end").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.message.starts_with("bad.lua:2: "), "{error}");
    }

    #[test]
    fn compiled_code_is_refused() {
        assert!(compile("a.lua", b"\x1bLua\x54\0").is_err());
    }
}
