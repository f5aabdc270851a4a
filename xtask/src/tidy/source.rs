//! What tidy wants to know of a Rust file, read from its tokens.
//!
//! Tokens and not text, so that a comment, a string or a macro's body can't fool a rule: how many
//! lines are production code, how long each function is, and which paths are named where. No full
//! syntax tree is needed for that, and a file that does not parse yet can still be measured.

use std::path::Path;

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

/// A Rust file as tidy sees it.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Lines outside of `#[cfg(test)]` modules.
    pub(crate) production_lines: usize,
    pub(crate) functions: Vec<Function>,
    pub(crate) paths: Vec<NamedPath>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// From the line of `fn` to the line of the closing brace.
    pub(crate) lines: usize,
    pub(crate) in_test: bool,
}

/// A path such as `std::fs::read`, where it is written or imported. `async` counts as a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) imported: bool,
    pub(crate) in_test: bool,
}

/// True for files that hold nothing but tests or programs to measure with: their rules are looser.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let directory = path.components().any(|part| {
        let part = part.as_os_str();
        part == "tests" || part == "benches" || part == "examples"
    });
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    directory || stem == "tests" || stem.ends_with("_tests")
}

/// Reads a file's text; the error names the place where the lexer gave up.
pub(crate) fn read(text: &str, is_test_file: bool) -> Result<Source, String> {
    let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
        let start = error.span().start();
        format!("does not lex at line {}: {error}", start.line)
    })?;
    let mut reader = Reader { source: Source::default(), test_lines: 0 };
    reader.walk(stream, is_test_file);
    reader.source.production_lines = text.lines().count().saturating_sub(reader.test_lines);
    Ok(reader.source)
}

struct Reader {
    source: Source,
    test_lines: usize,
}

impl Reader {
    fn walk(&mut self, stream: TokenStream, in_test: bool) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        // The line of a pending `#[cfg(test)]` or `#[test]`, until the item that it belongs to ends.
        let mut test_from: Option<usize> = None;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            at = at.saturating_add(match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if test_from.is_none() && attribute_is_test(rest) {
                        test_from = Some(line_of(punct.span()));
                    }
                    attribute_length(rest)
                }
                TokenTree::Punct(punct) => {
                    if punct.as_char() == ';' {
                        test_from = None;
                    }
                    1
                }
                TokenTree::Ident(_) => self.word(rest, in_test, test_from),
                TokenTree::Group(group) => {
                    let item_is_test = test_from.is_some();
                    self.walk(group.stream(), in_test || item_is_test);
                    if group.delimiter() == Delimiter::Brace {
                        self.end_of_item(group, &mut test_from, in_test);
                    }
                    1
                }
                TokenTree::Literal(_) => 1,
            });
        }
    }

    /// Lines of a test item inside production code don't count as production.
    fn end_of_item(&mut self, body: &Group, test_from: &mut Option<usize>, in_test: bool) {
        if let (Some(from), false) = (test_from.take(), in_test) {
            let to = body.span_close().end().line;
            self.test_lines = self.test_lines.saturating_add(to.saturating_sub(from).saturating_add(1));
        }
    }

    /// Reads what starts with an identifier and returns how many tokens belong to it.
    fn word(&mut self, tokens: &[TokenTree], in_test: bool, test_from: Option<usize>) -> usize {
        let in_test = in_test || test_from.is_some();
        let Some(TokenTree::Ident(first)) = tokens.first() else { return 1 };
        let line = line_of(first.span());
        match first.to_string().as_str() {
            "fn" => {
                if let Some(function) = function(tokens, in_test) {
                    self.source.functions.push(function);
                }
                1
            }
            "use" => {
                let length = tokens.iter().position(is_semicolon).unwrap_or(tokens.len());
                let tree = tokens.get(1..length).unwrap_or_default();
                self.imports(tree, &[], in_test);
                length.max(1)
            }
            _ => {
                let (segments, length) = path(tokens);
                self.source.paths.push(NamedPath { segments, line, imported: false, in_test });
                length
            }
        }
    }

    /// Flattens `a::{b, c::d}` into `a::b` and `a::c::d`.
    fn imports(&mut self, tree: &[TokenTree], prefix: &[String], in_test: bool) {
        for branch in tree.split(|token| is_punct(token, ',')) {
            let mut segments = prefix.to_vec();
            let mut line = 0;
            for token in branch {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => break,
                    TokenTree::Ident(ident) => {
                        line = line_of(ident.span());
                        segments.push(ident.to_string());
                    }
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.imports(&inner, &segments, in_test);
                        segments.clear();
                    }
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            if segments.len() > prefix.len() {
                self.source.paths.push(NamedPath { segments, line, imported: true, in_test });
            }
        }
    }
}

/// The names of the variants of an enum, in their order.
pub(crate) fn variants_of(text: &str, name: &str) -> Result<Vec<String>, String> {
    let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| error.to_string())?;
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let body = tokens.windows(3).find_map(|window| match window {
        [TokenTree::Ident(keyword), TokenTree::Ident(found), TokenTree::Group(body)]
            if keyword == "enum" && found == name =>
        {
            Some(body.stream())
        }
        _ => None,
    });
    let body: Vec<TokenTree> = body.into_iter().flatten().collect();
    let names = body.split(|token| is_punct(token, ',')).filter_map(|variant| {
        variant.iter().find_map(|token| match token {
            TokenTree::Ident(ident) => Some(ident.to_string()),
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        })
    });
    Ok(names.collect())
}

/// A function whose body follows before the next semicolon; a declaration or a `fn` type has none.
fn function(tokens: &[TokenTree], in_test: bool) -> Option<Function> {
    let (Some(TokenTree::Ident(keyword)), Some(TokenTree::Ident(name))) = (tokens.first(), tokens.get(1))
    else {
        return None;
    };
    let body = tokens.iter().take_while(|token| !is_semicolon(token)).find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })?;
    let line = line_of(keyword.span());
    let lines = body.span_close().end().line.saturating_sub(line).saturating_add(1);
    Some(Function { name: name.to_string(), line, lines, in_test })
}

/// The path `a::b::c` that starts here, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    let mut length = 0;
    while let Some(TokenTree::Ident(ident)) = tokens.get(length) {
        segments.push(ident.to_string());
        length = length.saturating_add(1);
        let colons = tokens.get(length..length.saturating_add(2)).unwrap_or_default();
        let [TokenTree::Punct(first), TokenTree::Punct(second)] = colons else { break };
        let joined = first.as_char() == ':' && first.spacing() == Spacing::Joint && second.as_char() == ':';
        if !joined || !matches!(tokens.get(length.saturating_add(2)), Some(TokenTree::Ident(_))) {
            break;
        }
        length = length.saturating_add(2);
    }
    (segments, length.max(1))
}

fn attribute_length(tokens: &[TokenTree]) -> usize {
    match (tokens.get(1), tokens.get(2)) {
        (Some(TokenTree::Group(_)), _) => 2,
        (Some(bang), Some(TokenTree::Group(_))) if is_punct(bang, '!') => 3,
        _ => 1,
    }
}

/// `#[test]`, `#[cfg(test)]` and `#[cfg(any(test, ...))]`, but not `#[cfg(not(test))]`.
fn attribute_is_test(tokens: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(group)) = tokens.get(1) else { return false };
    let words = words(group.stream());
    match words.first().map(String::as_str) {
        Some("test") => true,
        Some("cfg") => words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not"),
        _ => false,
    }
}

fn words(stream: TokenStream) -> Vec<String> {
    stream
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) => vec![ident.to_string()],
            TokenTree::Group(group) => words(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
        })
        .collect()
}

fn is_semicolon(token: &TokenTree) -> bool {
    is_punct(token, ';')
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn line_of(span: Span) -> usize {
    span.start().line
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"//! Doc with fn fake() { std::fs }
use std::{collections::BTreeMap, time::{Duration, Instant as Clock}};
const TEXT: &str = "std::net::TcpStream fn not() {}";
/// One.
pub fn one(x: u8) -> u8 {
    let f: fn(u8) -> u8 = two;
    std::fs::read("x");
    f(x)
}
trait T { fn declared(&self); }
fn two(x: u8) -> u8 { x }
#[cfg(not(test))]
fn three() {}
#[cfg(test)]
mod tests {
    #[test]
    fn four() {
        tokio::spawn(async {});
    }
}
"#;

    #[test]
    fn functions_have_their_lines_and_tests_are_told_apart() {
        let source = read(FILE, false).unwrap();
        let seen: Vec<(&str, usize, usize, bool)> =
            source.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines, f.in_test)).collect();
        assert_eq!(
            seen,
            [("one", 5, 5, false), ("two", 11, 1, false), ("three", 13, 1, false), ("four", 17, 3, true)]
        );
        assert_eq!(source.production_lines, 13, "the test module's seven lines don't count");
    }

    #[test]
    fn paths_are_seen_in_code_and_imports_but_not_in_text() {
        let source = read(FILE, false).unwrap();
        let named = |wanted: &str| {
            source
                .paths
                .iter()
                .find(|p| p.segments.join("::") == wanted)
                .map(|p| (p.line, p.imported, p.in_test))
        };
        assert_eq!(named("std::fs::read"), Some((7, false, false)));
        assert_eq!(named("std::time::Instant"), Some((2, true, false)));
        assert_eq!(named("std::collections::BTreeMap"), Some((2, true, false)));
        assert_eq!(named("tokio::spawn"), Some((18, false, true)));
        assert_eq!(named("async"), Some((18, false, true)));
        assert_eq!(named("std::net::TcpStream"), None);
    }

    #[test]
    fn a_test_module_in_its_own_file_takes_no_lines_away() {
        let source = read("#[cfg(test)]\nmod tests;\nfn a() {\n}\n", false).unwrap();
        assert_eq!(source.production_lines, 4);
        assert!(!source.functions[0].in_test);
    }

    #[test]
    fn test_files_are_known_by_their_place_or_name() {
        for path in
            ["crates/a/tests/b.rs", "tests/x/y.rs", "crates/a/src/b_tests.rs", "crates/a/src/b/tests.rs"]
        {
            assert!(is_test_file(Path::new(path)), "{path}");
        }
        assert!(!is_test_file(Path::new("crates/a/src/attests.rs")));
    }
}
