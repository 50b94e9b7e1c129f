//! Patterns of paths: `*`, `?`, `[a-z]`, `{a,b}` and `**`. Pure.
//!
//! Matches characters where a name is UTF-8 and single bytes where it is not.

/// Alternatives that one pattern may unfold to: stops `{a,b}{a,b}...`.
const ALTERNATIVES: usize = 4096;

/// A pattern without `{a,b}`, cut at its slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Begins with `/`.
    pub absolute: bool,
    pub components: Vec<Component>,
    pub wanted: Wanted,
}

/// What a pattern gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// It holds `**`: folders count for what they hold.
    Files,
    /// It ends with `/`.
    Folders,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component {
    /// No special characters: nothing has to be looked up.
    Literal(Vec<u8>),
    Wild(Vec<Token>),
    /// `**`: any number of folders, none included.
    AnyFolders,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Unit(u32),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `[...]`
    Class {
        negated: bool,
        items: Vec<Item>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Range(u32, u32),
    /// `[:digit:]` and its like, by that name.
    Named(&'static str),
}

/// Puts a backslash before everything that is special in a pattern.
pub(super) fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if b"\\*?[]{},".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// Reads a pattern; several when it holds `{a,b}`.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Pattern>, String> {
    if text.is_empty() {
        return Err("the pattern is empty".to_owned());
    }
    let mut unfolded = Vec::new();
    unfold(text, &mut unfolded)?;
    Ok(unfolded.iter().map(|one| parse_one(one)).collect())
}

/// Writes out the first `{a,b}` and goes on with what that gives.
fn unfold(text: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let Some((open, commas, close)) = first_braces(text) else {
        if out.len() >= ALTERNATIVES {
            return Err(format!("the pattern has more than {ALTERNATIVES} alternatives"));
        }
        out.push(text.to_vec());
        return Ok(());
    };
    let mut from = open + 1;
    for to in commas.into_iter().chain([close]) {
        unfold(&[&text[..open], &text[from..to], &text[close + 1..]].concat(), out)?;
        from = to + 1;
    }
    Ok(())
}

/// Finds `{`, its commas and its `}`; braces without a comma are ordinary text.
fn first_braces(text: &[u8]) -> Option<(usize, Vec<usize>, usize)> {
    let mut start = 0;
    while let Some(open) = find_unescaped(text, start, b'{') {
        let mut depth = 0_usize;
        let mut commas = Vec::new();
        let mut pos = open;
        while pos < text.len() {
            match text[pos] {
                b'\\' => pos += 1,
                b'{' => depth += 1,
                b',' if depth == 1 => commas.push(pos),
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
            pos += 1;
        }
        if pos < text.len() && !commas.is_empty() {
            return Some((open, commas, pos));
        }
        start = open + 1;
    }
    None
}

fn find_unescaped(text: &[u8], start: usize, wanted: u8) -> Option<usize> {
    let mut pos = start;
    while pos < text.len() {
        match text[pos] {
            b'\\' => pos += 2,
            b if b == wanted => return Some(pos),
            _ => pos += 1,
        }
    }
    None
}

fn parse_one(text: &[u8]) -> Pattern {
    let mut components = Vec::new();
    for part in text.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        match component(part) {
            Component::AnyFolders if components.last() == Some(&Component::AnyFolders) => {}
            component => components.push(component),
        }
    }
    let wanted = if text.ends_with(b"/") {
        Wanted::Folders
    } else if components.contains(&Component::AnyFolders) {
        Wanted::Files
    } else {
        Wanted::All
    };
    if components.last() == Some(&Component::AnyFolders) {
        // `a/**` is everything below `a`.
        components.push(Component::Wild(vec![Token::Star]));
    }
    Pattern { absolute: text.starts_with(b"/"), components, wanted }
}

fn component(part: &[u8]) -> Component {
    if part == b"**" {
        return Component::AnyFolders;
    }
    let tokens = tokens(&units(part));
    let literal = tokens.iter().map(|token| match token {
        Token::Unit(unit) => Some(*unit),
        _ => None,
    });
    match literal.collect::<Option<Vec<u32>>>() {
        Some(units) => Component::Literal(bytes_of(&units)),
        None => Component::Wild(tokens),
    }
}

/// What a byte that is not UTF-8 counts from, beyond every character.
const BAD_BYTE: u32 = 0x11_0000;

/// Cuts a name into characters and bytes that are none.
fn units(name: &[u8]) -> Vec<u32> {
    let mut units = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        units.extend(chunk.valid().chars().map(u32::from));
        units.extend(chunk.invalid().iter().map(|b| BAD_BYTE + u32::from(*b)));
    }
    units
}

fn bytes_of(units: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for unit in units {
        match char::from_u32(*unit) {
            Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => bytes.extend(u8::try_from(unit.saturating_sub(BAD_BYTE))),
        }
    }
    bytes
}

fn is_unit(unit: Option<&u32>, c: char) -> bool {
    unit == Some(&u32::from(c))
}

fn tokens(pattern: &[u32]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match char::from_u32(*first) {
            Some('\\') => match after.split_first() {
                Some((escaped, after)) => {
                    tokens.push(Token::Unit(*escaped));
                    rest = after;
                }
                None => tokens.push(Token::Unit(*first)),
            },
            Some('*') if tokens.last() == Some(&Token::Star) => {}
            Some('*') => tokens.push(Token::Star),
            Some('?') => tokens.push(Token::Any),
            Some('[') => match class(after) {
                Some((token, used)) => {
                    tokens.push(token);
                    rest = &after[used..];
                }
                None => tokens.push(Token::Unit(*first)),
            },
            _ => tokens.push(Token::Unit(*first)),
        }
    }
    tokens
}

/// Reads a class after its `[`; `None` when it is never closed.
fn class(text: &[u32]) -> Option<(Token, usize)> {
    let negated = is_unit(text.first(), '!') || is_unit(text.first(), '^');
    let start = usize::from(negated);
    let mut items = Vec::new();
    let mut pos = start;
    loop {
        let mut unit = *text.get(pos)?;
        if is_unit(Some(&unit), ']') && pos > start {
            return Some((Token::Class { negated, items }, pos + 1));
        }
        if let Some(named) = named_class(&text[pos..]) {
            items.push(Item::Named(named));
            pos += named.len();
            continue;
        }
        if is_unit(Some(&unit), '\\') {
            pos += 1;
            unit = *text.get(pos)?;
        }
        pos += 1;
        let is_range =
            is_unit(text.get(pos), '-') && text.get(pos + 1).is_some_and(|u| *u != u32::from(']'));
        if is_range {
            let mut last = *text.get(pos + 1)?;
            pos += 2;
            if is_unit(Some(&last), '\\') {
                last = *text.get(pos)?;
                pos += 1;
            }
            items.push(Item::Range(unit, last));
        } else {
            items.push(Item::Range(unit, unit));
        }
    }
}

/// The named classes, as POSIX writes them inside `[...]`.
const NAMED_CLASSES: [&str; 8] = [
    "[:alpha:]",
    "[:digit:]",
    "[:alnum:]",
    "[:upper:]",
    "[:lower:]",
    "[:space:]",
    "[:punct:]",
    "[:xdigit:]",
];

fn named_class(text: &[u32]) -> Option<&'static str> {
    NAMED_CLASSES.into_iter().find(|name| {
        text.len() >= name.len()
            && text.iter().zip(name.bytes()).all(|(unit, b)| *unit == u32::from(b))
    })
}

fn is_in_class(class: &str, c: char) -> bool {
    match class {
        "[:alpha:]" => c.is_alphabetic(),
        "[:digit:]" => c.is_ascii_digit(),
        "[:alnum:]" => c.is_alphanumeric(),
        "[:upper:]" => c.is_uppercase(),
        "[:lower:]" => c.is_lowercase(),
        "[:space:]" => c.is_whitespace(),
        "[:punct:]" => c.is_ascii_punctuation(),
        _ => c.is_ascii_hexdigit(),
    }
}

impl Component {
    /// Tells whether a name matches. Names that begin with a dot do so only if `hidden`, or when
    /// the pattern begins with that dot.
    pub fn matches(&self, name: &[u8], hidden: bool) -> bool {
        match self {
            Component::Literal(literal) => literal == name,
            Component::AnyFolders => hidden || !name.starts_with(b"."),
            Component::Wild(tokens) => {
                let dot = tokens.first() == Some(&Token::Unit(u32::from('.')));
                if name.starts_with(b".") && !hidden && !dot {
                    return false;
                }
                matches_tokens(tokens, &units(name))
            }
        }
    }
}

fn matches_tokens(tokens: &[Token], name: &[u32]) -> bool {
    let (mut t, mut n) = (0, 0);
    // Where to go on when it does not fit: the last star, taking in one more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() || t < tokens.len() {
        let fits = match (tokens.get(t), name.get(n)) {
            (Some(Token::Star), _) => {
                retry = Some((t, n));
                t += 1;
                continue;
            }
            (Some(token), Some(unit)) => matches_unit(token, *unit),
            _ => false,
        };
        if fits {
            t += 1;
            n += 1;
            continue;
        }
        match retry {
            Some((star, from)) if from < name.len() => {
                retry = Some((star, from + 1));
                t = star + 1;
                n = from + 1;
            }
            _ => return false,
        }
    }
    true
}

fn matches_unit(token: &Token, unit: u32) -> bool {
    match token {
        Token::Unit(wanted) => *wanted == unit,
        Token::Any | Token::Star => true,
        Token::Class { negated, items } => {
            let inside = items.iter().any(|item| match item {
                Item::Range(first, last) => (*first..=*last).contains(&unit),
                Item::Named(class) => char::from_u32(unit).is_some_and(|c| is_in_class(class, c)),
            });
            inside != *negated
        }
    }
}

/// Tells whether a whole path, cut at its slashes, matches; hidden names count like others.
pub(super) fn matches_path(components: &[Component], names: &[&[u8]]) -> bool {
    match components.split_first() {
        None => names.is_empty(),
        Some((Component::AnyFolders, rest)) => {
            (0..=names.len()).any(|skip| matches_path(rest, &names[skip..]))
        }
        Some((component, rest)) => names.split_first().is_some_and(|(name, names)| {
            component.matches(name, true) && matches_path(rest, names)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, name: &[u8]) -> bool {
        component(pattern.as_bytes()).matches(name, false)
    }

    #[test]
    fn components_match_names() {
        for (pattern, name) in [
            ("*", "a"),
            ("*.c", "a.b.c"),
            ("a*b*c", "aXbYbZc"),
            ("?", "ü"),
            ("?", "日"),
            ("[a-c]x", "bx"),
            ("[!a-c]", "d"),
            ("[^a-c]", "d"),
            ("[]a]", "]"),
            ("[a-]", "-"),
            ("[[:digit:]]*", "7z"),
            ("\\*", "*"),
            ("[\\]]", "]"),
            ("a[", "a["),
            (".*", ".x"),
            ("{a}", "{a}"),
            ("*a", "aaa"),
            ("[ä-ö]", "ö"),
        ] {
            assert!(fits(pattern, name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*", ".a"),
            ("?", ""),
            ("?", "ab"),
            ("[a-c]", "d"),
            ("[!a]", "a"),
            ("*.c", "a.cc"),
            ("\\*", "a"),
            ("[a-c]", ""),
            ("[.]a", ".a"),
            ("?a", ".a"),
        ] {
            assert!(!fits(pattern, name.as_bytes()), "{pattern} {name}");
        }
        assert!(fits("a?b", b"a\xffb") && fits("a*", b"a\xff\xfe") && !fits("?", b"\xff\xfe"));
        assert!(component(b"a\xff*").matches(b"a\xffb", false));
        assert_eq!(component(b"a\xff"), Component::Literal(b"a\xff".to_vec()));
    }

    #[test]
    fn braces_with_a_comma_unfold() {
        let all = |text: &str| {
            let mut out = Vec::new();
            unfold(text.as_bytes(), &mut out).unwrap();
            out.iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(all("{a,b/{c,d}}*"), ["a*", "b/c*", "b/d*"]);
        assert_eq!(all("{,x}y{1,2}"), ["y1", "y2", "xy1", "xy2"]);
        for same in ["{a}", "{}", "{a", "a}", "\\{a,b}", "{a\\,b}"] {
            assert_eq!(all(same), [same]);
        }
        let bomb = "{a,b}".repeat(20);
        assert!(parse(bomb.as_bytes()).unwrap_err().contains("alternatives"));
    }

    #[test]
    fn whole_paths_match() {
        let fits = |pattern: &str, path: &str| {
            let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            parse(pattern.as_bytes()).unwrap().iter().any(|p| matches_path(&p.components, &names))
        };
        assert!(fits("**/*.c", "a.c") && fits("**/*.c", "x/y/a.c") && fits("a/**", "a/b/.c"));
        assert!(fits("**/.git/**", ".git/config") && fits("a/**/b", "a/b") && fits("a/*", "a/.b"));
        assert!(!fits("a/**", "a") && !fits("*.c", "x/a.c") && !fits("a/**/b", "a/x/c"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_escaped_text_matches_itself(
            text in prop::collection::vec(prop_oneof![prop::sample::select(b"*?[]{},\\/.-!^:a".to_vec()), any::<u8>()], 1..20),
            name in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            for pattern in parse(&text).into_iter().flatten() {
                for component in &pattern.components {
                    component.matches(&name, false);
                }
            }
            let text: Vec<u8> = text.into_iter().filter(|b| *b != b'/').collect();
            prop_assert_eq!(component(&escape(&text)), Component::Literal(text));
        }

        #[test]
        fn stars_and_marks_match_like_a_slow_matcher(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            fn slow(p: &[u8], n: &[u8]) -> bool {
                match (p.first(), n.first()) {
                    (None, None) => true,
                    (Some(b'*'), _) => slow(&p[1..], n) || (!n.is_empty() && slow(p, &n[1..])),
                    (Some(b'?'), Some(_)) => slow(&p[1..], &n[1..]),
                    (Some(a), Some(b)) if a == b => slow(&p[1..], &n[1..]),
                    _ => false,
                }
            }
            let fast = matches_tokens(&tokens(&units(pattern.as_bytes())), &units(name.as_bytes()));
            prop_assert_eq!(fast, slow(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
