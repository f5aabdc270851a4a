//! Reads one statement. Hand-written descent: one function per statement, and an error says what was
//! wanted, what was found, and where.

use aerospike::Value;

use super::definition;
use super::lexer::{self, SyntaxError, Token, TokenKind};
use super::literal;
use super::statement::{
    Comparison, Condition, Identity, Operand, Relation, Select, Setting, Show, Statement, Table,
};

/// Reads a statement; `None` for a blank line or a lone comment.
pub(crate) fn parse(text: &str) -> Result<Option<Statement>, SyntaxError> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser::new(&tokens, text.len());
    while parser.take_sign(";") {}
    if parser.peek().is_none() {
        return Ok(None);
    }
    let statement = parser.statement()?;
    while parser.take_sign(";") {}
    match parser.peek() {
        None => Ok(Some(statement)),
        Some(token) => Err(parser.unexpected("the end of the statement", token)),
    }
}

/// Splits a script at semicolons outside of quotes and at line ends, and joins lines as long as a statement
/// is not finished. Each statement comes with the number of its first line, counted from 1.
pub(crate) fn split(script: &str) -> Vec<(usize, String)> {
    let mut statements = Vec::new();
    let mut pending = String::new();
    let mut started_at = 1;
    for (index, line) in script.lines().enumerate() {
        if pending.is_empty() {
            started_at = index + 1;
        } else {
            pending.push('\n');
        }
        pending.push_str(line);
        if parse(&pending).is_err_and(|error| error.unfinished) {
            continue;
        }
        let pieces = pieces(&pending).into_iter().map(|piece| (started_at, piece));
        statements.extend(pieces);
        pending.clear();
    }
    if !pending.trim().is_empty() {
        statements.push((started_at, pending));
    }
    statements
}

/// The statements of one line.
fn pieces(text: &str) -> Vec<String> {
    let Ok(tokens) = lexer::tokens(text) else { return vec![text.to_owned()] };
    let ends =
        tokens.iter().filter(|token| token.kind == TokenKind::Sign(";")).map(|token| token.place.start);
    let mut pieces = Vec::new();
    let mut from = 0;
    for end in ends.chain([text.len()]) {
        let piece = &text[from..end];
        if lexer::tokens(piece).is_ok_and(|tokens| !tokens.is_empty()) {
            pieces.push(piece.trim().to_owned());
        }
        from = (end + 1).min(text.len());
    }
    pieces
}

/// The tokens of a statement and how far they are read.
pub(crate) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
}

impl<'a> Parser<'a> {
    /// Starts at the first token; `end` is the length of the text that they were cut from.
    pub(crate) fn new(tokens: &'a [Token], end: usize) -> Self {
        Self { tokens, at: 0, end }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next token; at the end, an error that tells what was wanted.
    pub(crate) fn next(&mut self, wanted: &str) -> Result<&'a Token, SyntaxError> {
        let token = self.peek().ok_or_else(|| {
            SyntaxError::unfinished(format!("expected {wanted}, but the statement ends here"), self.end)
        })?;
        self.at += 1;
        Ok(token)
    }

    pub(crate) fn unexpected(&self, wanted: &str, token: &Token) -> SyntaxError {
        SyntaxError::new(format!("expected {wanted}, found {}", describe(&token.kind)), token.place.clone())
    }

    pub(crate) fn take_sign(&mut self, sign: &str) -> bool {
        let found =
            self.peek().is_some_and(|token| matches!(token.kind, TokenKind::Sign(found) if found == sign));
        self.at += usize::from(found);
        found
    }

    pub(crate) fn sign(&mut self, sign: &str) -> Result<(), SyntaxError> {
        let wanted = format!("`{sign}`");
        let token = self.next(&wanted)?;
        if matches!(token.kind, TokenKind::Sign(found) if found == sign) {
            Ok(())
        } else {
            Err(self.unexpected(&wanted, token))
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| is_word(token, word));
        self.at += usize::from(found);
        found
    }

    pub(crate) fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        let wanted = format!("`{word}`");
        let token = self.next(&wanted)?;
        if is_word(token, word) { Ok(()) } else { Err(self.unexpected(&wanted, token)) }
    }

    pub(crate) fn name(&mut self, wanted: &str) -> Result<String, SyntaxError> {
        let token = self.next(wanted)?;
        match &token.kind {
            TokenKind::Word(name) | TokenKind::Text(name) => Ok(name.clone()),
            TokenKind::Integer(number) => Ok(number.to_string()),
            TokenKind::Blob(_) | TokenKind::Float(_) | TokenKind::Sign(_) => {
                Err(self.unexpected(wanted, token))
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, SyntaxError> {
        let wanted =
            "insert, select, delete, truncate, create, drop, execute, aggregate, show, set, help or exit";
        let token = self.next(wanted)?;
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected(wanted, token)) };
        match word.to_ascii_lowercase().as_str() {
            "insert" => self.insert(),
            "select" => self.select(),
            "delete" => self.delete(),
            "truncate" => Ok(Statement::Truncate(self.table()?)),
            "create" => definition::create(self),
            "drop" => definition::drop(self),
            "execute" => definition::execute(self),
            "aggregate" => definition::aggregate(self),
            "show" => self.show(),
            "set" => self.setting(),
            "help" | "h" => Ok(Statement::Help),
            "exit" | "quit" | "q" => Ok(Statement::Exit),
            _ => Err(self.unexpected(wanted, token)),
        }
    }

    pub(crate) fn table(&mut self) -> Result<Table, SyntaxError> {
        let namespace = self.name("a namespace")?;
        let set = if self.take_sign(".") { self.name("a set")? } else { String::new() };
        Ok(Table { namespace, set })
    }

    fn insert(&mut self) -> Result<Statement, SyntaxError> {
        self.word("into")?;
        let table = self.table()?;
        self.sign("(")?;
        let columns_at = self.at;
        let mut columns = vec![self.name("a column")?];
        while self.take_sign(",") {
            columns.push(self.name("a column")?);
        }
        self.sign(")")?;
        self.word("values")?;
        self.sign("(")?;
        let mut values = vec![literal::value(self)?];
        while self.take_sign(",") {
            values.push(literal::value(self)?);
        }
        let values_end = self.at;
        self.sign(")")?;
        if columns.len() != values.len() {
            let text = format!("{} columns, but {} values", columns.len(), values.len());
            return Err(SyntaxError::new(text, self.span(columns_at, values_end)));
        }
        let key_at = columns.iter().position(|column| column.eq_ignore_ascii_case("pk"));
        let Some(key_at) = key_at else {
            let text = "one column must be `pk`, the record's key";
            return Err(SyntaxError::new(text, self.span(columns_at, columns_at + columns.len() * 2 - 1)));
        };
        let mut bins: Vec<(String, Value)> = columns.into_iter().zip(values).collect();
        let (_, key) = bins.remove(key_at);
        let key = self.as_key(key, values_end)?;
        Ok(Statement::Insert { table, key, bins })
    }

    /// From the first to before the last token of a range.
    fn span(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        let start = self.tokens.get(from).map_or(self.end, |token| token.place.start);
        let end = self.tokens.get(to.saturating_sub(1)).map_or(self.end, |token| token.place.end);
        start..end.max(start)
    }

    fn as_key(&self, value: Value, read_to: usize) -> Result<Value, SyntaxError> {
        if matches!(value, Value::Int(_) | Value::String(_) | Value::Blob(_)) {
            return Ok(value);
        }
        let text = "a key is an integer, a text or a blob";
        Err(SyntaxError::new(text, self.span(read_to.saturating_sub(1), read_to)))
    }

    fn select(&mut self) -> Result<Statement, SyntaxError> {
        let mut bins = Vec::new();
        if !self.take_sign("*") {
            bins.push(self.name("`*` or a bin")?);
            while self.take_sign(",") {
                bins.push(self.name("a bin")?);
            }
        }
        self.word("from")?;
        let table = self.table()?;
        let condition = if self.take_word("where") { self.condition()? } else { Condition::All };
        let limit = if self.take_word("limit") { Some(self.count("a number of rows")?) } else { None };
        Ok(Statement::Select(Select { table, bins, condition, limit }))
    }

    fn count(&mut self, wanted: &str) -> Result<u64, SyntaxError> {
        let token = self.next(wanted)?;
        let TokenKind::Integer(number) = token.kind else { return Err(self.unexpected(wanted, token)) };
        u64::try_from(number).map_err(|_| self.unexpected(wanted, token))
    }

    pub(crate) fn condition(&mut self) -> Result<Condition, SyntaxError> {
        if let Some(identity) = self.identity()? {
            return Ok(Condition::One(identity));
        }
        let mut comparisons = Vec::new();
        loop {
            self.comparison(&mut comparisons)?;
            if !self.take_word("and") {
                break;
            }
        }
        Ok(Condition::Bins(comparisons))
    }

    /// `pk = ...`, `digest = ...`; `None` and nothing read when it is a bin.
    fn identity(&mut self) -> Result<Option<Identity>, SyntaxError> {
        if self.take_word("pk") {
            self.sign("=")?;
            let value = literal::value(self)?;
            return Ok(Some(Identity::Key(self.as_key(value, self.at)?)));
        }
        if self.take_word("digest") {
            self.sign("=")?;
            let value = literal::value(self)?;
            let digest = literal::digest(&value);
            let wrong = || {
                SyntaxError::new("a digest is 20 bytes, such as x'0011...'", self.span(self.at - 1, self.at))
            };
            return Ok(Some(Identity::Digest(digest.ok_or_else(wrong)?)));
        }
        Ok(None)
    }

    /// `BIN = VALUE`, or `BIN between VALUE and VALUE`, which is two comparisons.
    fn comparison(&mut self, comparisons: &mut Vec<Comparison>) -> Result<(), SyntaxError> {
        let bin = self.name("`pk`, `digest` or a bin")?;
        let wanted = "one of = != < <= > >= between";
        let token = self.next(wanted)?;
        if is_word(token, "between") {
            let operand = self.operand()?;
            comparisons.push(Comparison { bin: bin.clone(), relation: Relation::GreaterOrEqual, operand });
            self.word("and")?;
            let operand = self.operand()?;
            comparisons.push(Comparison { bin, relation: Relation::LessOrEqual, operand });
            return Ok(());
        }
        let TokenKind::Sign(sign) = token.kind else { return Err(self.unexpected(wanted, token)) };
        let relation = match sign {
            "=" => Relation::Equal,
            "!=" => Relation::NotEqual,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            _ => return Err(self.unexpected(wanted, token)),
        };
        let operand = self.operand()?;
        comparisons.push(Comparison { bin, relation, operand });
        Ok(())
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        let wrong = "a bin is compared with a number, a text, a blob, true or false";
        let operand = literal::operand(literal::value(self)?);
        operand.ok_or_else(|| SyntaxError::new(wrong, self.span(self.at - 1, self.at)))
    }

    fn delete(&mut self) -> Result<Statement, SyntaxError> {
        self.word("from")?;
        let table = self.table()?;
        if self.peek().is_none() {
            let text = "expected `where pk = ...`; `truncate` deletes all records of a set";
            return Err(SyntaxError::new(text, self.end..self.end));
        }
        self.word("where")?;
        match self.identity()? {
            Some(key) => Ok(Statement::Delete { table, key }),
            None => {
                let token = self.next("`pk`")?;
                Err(self.unexpected("`pk` or `digest`", token))
            }
        }
    }

    fn show(&mut self) -> Result<Statement, SyntaxError> {
        let wanted = "sets, bins, indexes, namespaces or nodes";
        let token = self.next(wanted)?;
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected(wanted, token)) };
        let show = match word.to_ascii_lowercase().as_str() {
            "sets" => Show::Sets,
            "bins" => Show::Bins,
            "indexes" => Show::Indexes,
            "namespaces" => Show::Namespaces,
            "nodes" => Show::Nodes,
            _ => return Err(self.unexpected(wanted, token)),
        };
        Ok(Statement::Show(show))
    }

    fn setting(&mut self) -> Result<Statement, SyntaxError> {
        if self.peek().is_none() {
            return Ok(Statement::Set(None));
        }
        let wanted = "output, rows, timeout, send_key or ttl";
        let token = self.next(wanted)?;
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected(wanted, token)) };
        let setting = match word.to_ascii_lowercase().as_str() {
            "output" => Setting::Json(self.choice("table or json", &["table", "json"])? == 1),
            "rows" => Setting::Rows(self.count("a number of rows, 0 for all")?),
            "timeout" => Setting::TimeoutMs(self.small("milliseconds, 0 for no limit")?),
            "send_key" | "key_send" => {
                Setting::SendKey(self.choice("true or false", &["false", "true"])? == 1)
            }
            "ttl" => Setting::TtlSeconds(self.ttl()?),
            _ => return Err(self.unexpected(wanted, token)),
        };
        Ok(Statement::Set(Some(setting)))
    }

    pub(crate) fn choice(&mut self, wanted: &str, words: &[&str]) -> Result<usize, SyntaxError> {
        let token = self.next(wanted)?;
        words.iter().position(|word| is_word(token, word)).ok_or_else(|| self.unexpected(wanted, token))
    }

    fn small(&mut self, wanted: &str) -> Result<u32, SyntaxError> {
        let number = self.count(wanted)?;
        u32::try_from(number).map_err(|_| SyntaxError::new("too large", self.span(self.at - 1, self.at)))
    }

    fn ttl(&mut self) -> Result<i64, SyntaxError> {
        let wanted = "seconds, 0 for the namespace's default, -1 for ever";
        let token = self.next(wanted)?;
        let allowed = -1..=i64::from(u32::MAX / 2);
        let TokenKind::Integer(number) = token.kind else { return Err(self.unexpected(wanted, token)) };
        if allowed.contains(&number) { Ok(number) } else { Err(self.unexpected(wanted, token)) }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(&token.kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
}

fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Word(word) => format!("`{word}`"),
        TokenKind::Text(text) => format!("the text '{text}'"),
        TokenKind::Blob(_) => "a blob".to_owned(),
        TokenKind::Integer(number) => format!("the number {number}"),
        TokenKind::Float(number) => format!("the number {number}"),
        TokenKind::Sign(sign) => format!("`{sign}`"),
    }
}
