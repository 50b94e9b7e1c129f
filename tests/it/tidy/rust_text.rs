//! Just enough of Rust's grammar to see which names a file uses outside of its tests.

/// A word or a punctuation mark of a source file; comments are gone and literals are `""`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path with two or more segments, or one that is imported by `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    /// How many `mod x { }` of this file it stands in.
    pub depth: usize,
    /// It stands in a `use`: its last segment may come in under another name.
    pub imported: bool,
}

/// Splits a source file into tokens.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let chars: Vec<char> = source.chars().collect();
    let (mut at, mut line) = (0, 1);
    let look = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        let text = if c.is_whitespace() {
            at += 1;
            None
        } else if c == '/' && look(at + 1) == '/' {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
            None
        } else if c == '/' && look(at + 1) == '*' {
            at = end_of_block_comment(&chars, at);
            None
        } else if let Some(end) = end_of_literal(&chars, at) {
            at = end;
            Some("\"\"".to_owned())
        } else if c.is_alphanumeric() || c == '_' {
            while look(at).is_alphanumeric() || look(at) == '_' {
                at += 1;
            }
            Some(chars[start..at].iter().collect())
        } else if c == '\'' {
            // A lifetime or a label: not a name that matters.
            at += 1;
            while look(at).is_alphanumeric() || look(at) == '_' {
                at += 1;
            }
            None
        } else if c == ':' && look(at + 1) == ':' {
            at += 2;
            Some("::".to_owned())
        } else {
            at += 1;
            Some(c.to_string())
        };
        out.extend(text.map(|text| Token { text, line }));
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    out
}

fn end_of_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The end of the string or character that starts at `at`, if one does.
fn end_of_literal(chars: &[char], at: usize) -> Option<usize> {
    let look = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut open = at;
    if matches!(look(open), 'b' | 'c') && matches!(look(open + 1), '"' | '\'' | 'r') {
        open += 1;
    }
    if look(open) == 'r' {
        let hashes = chars[open + 1..].iter().take_while(|c| **c == '#').count();
        if look(open + 1 + hashes) == '"' {
            let close: String = std::iter::once('"').chain((0..hashes).map(|_| '#')).collect();
            let body = open + 2 + hashes;
            let rest: String = chars[body..].iter().collect();
            let end = rest.find(&close).map_or(rest.len(), |end| end + close.len());
            return Some(body + rest[..end].chars().count());
        }
        return None;
    }
    let quote = look(open);
    let is_char = quote == '\'' && (look(open + 1) == '\\' || look(open + 2) == '\'');
    if quote != '"' && !is_char {
        return None;
    }
    let mut end = open + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    Some((end + 1).min(chars.len()))
}

/// Leaves out every item under `#[cfg(test)]`; the names of modules among them that live in
/// files of their own are returned beside it, with their `#[path]` if they have one.
pub fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut kept = Vec::new();
    let mut test_modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_cfg_test(tokens, at) {
            let end = end_of_item(tokens, at);
            let item = &tokens[at..end];
            if let Some(named) = item.windows(3).find(|w| w[0].text == "mod" && w[2].text == ";") {
                test_modules.push(named[1].text.clone());
            }
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, test_modules)
}

/// Lines of a source file that are not in items under `#[cfg(test)]`.
pub fn lines_of_code(source: &str) -> usize {
    let all = tokens(source);
    let mut lines = source.lines().count();
    let mut at = 0;
    while at < all.len() {
        if is_cfg_test(&all, at) {
            let end = end_of_item(&all, at);
            lines -= all[end - 1].line - all[at].line + 1;
            at = end;
        } else {
            at += 1;
        }
    }
    lines
}

fn is_cfg_test(tokens: &[Token], at: usize) -> bool {
    let texts = ["#", "[", "cfg", "(", "test", ")", "]"];
    texts.iter().enumerate().all(|(i, text)| tokens.get(at + i).is_some_and(|t| t.text == *text))
}

/// The end of the item whose attributes start at `at`: its `;` or its closing brace.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_i32;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token.text == "}" {
                    break;
                }
            }
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    at
}

/// Every path of a file: those of `use` with their groups spread out, and those in code.
pub fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut open_modules: Vec<usize> = Vec::new();
    let (mut at, mut braces) = (0, 0_usize);
    while at < tokens.len() {
        let token = &tokens[at];
        match token.text.as_str() {
            "{" => {
                let names_module = at >= 2 && tokens[at - 2].text == "mod";
                if names_module {
                    open_modules.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                if open_modules.last() == Some(&braces) {
                    open_modules.pop();
                }
            }
            // `+ use<'a>` behind an `impl Trait` captures, it does not import.
            "use" if tokens.get(at + 1).is_none_or(|next| next.text != "<") => {
                at = use_tree(tokens, at + 1, &[], open_modules.len(), &mut found);
                continue;
            }
            _ if token.is_name() && (at == 0 || tokens[at - 1].text != "::") => {
                let (segments, end) = segments(tokens, at);
                if segments.len() > 1 {
                    let depth = open_modules.len();
                    found.push(Path { segments, line: token.line, depth, imported: false });
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn segments(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[at].text.clone()];
    at += 1;
    while tokens.get(at).is_some_and(|t| t.text == "::")
        && tokens.get(at + 1).is_some_and(Token::is_name)
    {
        segments.push(tokens[at + 1].text.clone());
        at += 2;
    }
    (segments, at)
}

/// Reads one tree of a `use` and returns where it ends.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    depth: usize,
    found: &mut Vec<Path>,
) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| !matches!(t.text.as_str(), "}" | ";")) {
                    at = use_tree(tokens, at, &path, depth, found);
                    if tokens.get(at).is_some_and(|t| t.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => at += 2,
            "," | "}" | ";" => break,
            _ => {
                path.push(token.text.clone());
                at += 1;
            }
        }
    }
    // `{self}` at the end names the module in front of it.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let line = tokens.get(at.saturating_sub(1)).map_or(0, |t| t.line);
    found.push(Path { segments: path, line, depth, imported: true });
    at
}
