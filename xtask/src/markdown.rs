//! The little of Markdown that the documents' checks need: fenced blocks, the directive before a
//! block, and relative links.
//!
//! A directive is an HTML comment on the line before a block, `<!-- run: background -->`, so that it
//! is invisible where the document is read.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Line of the opening fence, counted from 1.
    pub(crate) line: usize,
    /// The word after the fence: `sh`, `text`, `rust`; empty when there is none.
    pub(crate) language: String,
    /// The text between the fences, each line ended.
    pub(crate) text: String,
    /// What stood in an HTML comment directly before, such as `run: background`.
    pub(crate) directive: Option<String>,
    /// Nothing but blank lines and directives lies between this block and the one before.
    pub(crate) follows_block: bool,
}

/// Finds the fenced blocks of a document in their order.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Block)> = None;
    let mut directive = None;
    let mut follows_block = false;
    for (index, line) in document.lines().enumerate() {
        let trimmed = line.trim();
        if let Some((fence, mut block)) = open.take() {
            if trimmed == fence {
                blocks.push(block);
                follows_block = true;
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some((fence, block));
            }
        } else if let Some((fence, language)) = opening(trimmed) {
            let block = Block {
                line: index.saturating_add(1),
                language,
                text: String::new(),
                directive: directive.take(),
                follows_block,
            };
            open = Some((fence, block));
        } else if let Some(comment) = comment(trimmed) {
            directive = Some(comment.to_owned());
        } else if !trimmed.is_empty() {
            directive = None;
            follows_block = false;
        }
    }
    blocks
}

/// The fence and the language of a line that opens a block.
fn opening(line: &str) -> Option<(String, String)> {
    let length = line.chars().take_while(|&c| c == '`').count();
    if length < 3 {
        return None;
    }
    let info = line.get(length..)?.trim();
    if info.contains('`') {
        return None;
    }
    let language = info.split_whitespace().next().unwrap_or_default().to_owned();
    Some(("`".repeat(length), language))
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!--")?.strip_suffix("-->").map(str::trim)
}

/// Relative link targets `[text](target)` outside of fenced blocks, with their lines; fragments cut off.
pub(crate) fn relative_links(document: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fence: Option<String> = None;
    for (index, line) in document.lines().enumerate() {
        let trimmed = line.trim();
        match (&fence, opening(trimmed)) {
            (Some(close), _) if trimmed == close => fence = None,
            (Some(_), _) => {}
            (None, Some((opened, _))) => fence = Some(opened),
            (None, None) => links_of_line(line, index.saturating_add(1), &mut links),
        }
    }
    links
}

fn links_of_line(line: &str, number: usize, links: &mut Vec<(usize, String)>) {
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("](") {
        let Some((target, tail)) = after.split_once(')') else { return };
        rest = tail;
        let path = target.split('#').next().unwrap_or_default().trim();
        if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
            links.push((number, path.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# T\n\n<!-- run: background -->\n```sh\nshipload up\n```\n\n```text\n`a`\n```\nwords\n\
        ````md\n```sh\nnot a block\n```\n````\n[a](b.md#c) [d](https://x/y) [e](#f)\n";

    #[test]
    fn blocks_keep_their_language_directive_and_neighbour() {
        let found = blocks(DOCUMENT);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].line, found[0].language.as_str()), (4, "sh"));
        assert_eq!(found[0].directive.as_deref(), Some("run: background"));
        assert!(!found[0].follows_block && found[1].follows_block && !found[2].follows_block);
        assert_eq!(found[1].text, "`a`\n");
        assert_eq!(found[2].text, "```sh\nnot a block\n```\n");
    }

    #[test]
    fn only_relative_links_outside_blocks_count() {
        assert_eq!(relative_links(DOCUMENT), [(17, "b.md".to_owned())]);
    }
}
