//! Cleans the CSS that a merchant sends for a form, so that it can style the page and load nothing
//! (security rule 14).

use cssparser::{ParseError, Parser, ToCss, Token, TokenSerializationType};

/// The largest style sheet that is taken, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

// Real sheets nest four or five deep; the limit bounds the recursion below.
const MAX_DEPTH: u8 = 24;

/// Why a style sheet is refused. Both are the merchant's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CssError {
    /// More than [`MAX_BYTES`].
    #[error("the style sheet is larger than 64 KB")]
    TooLarge,
    /// More brackets inside brackets than any real sheet has.
    #[error("the style sheet nests brackets more than 24 deep")]
    TooDeep,
}

/// Returns the sheet without anything that loads or runs, and without a `<`.
///
/// It reads tokens, as a browser does (CSS Syntax Level 3), and writes them again from their values: escapes
/// and comments hide nothing, and what is left out cannot join its neighbours. At-rules and functions pass
/// only if they are known to load nothing, so those that CSS may gain later are left out too.
/// A media range written with `<` does not survive; `max-width` does.
pub fn clean(css: &str) -> Result<String, CssError> {
    if css.len() > MAX_BYTES {
        return Err(CssError::TooLarge);
    }
    let mut parser = Parser::new(css);
    parser.set_nested_block_limit(MAX_DEPTH);
    let mut writer = Writer::default();
    clean_block(&mut parser, &mut writer)?;
    Ok(writer.text)
}

const AT_RULES: &[&str] = &[
    "container",
    "counter-style",
    "keyframes",
    "layer",
    "media",
    "property",
    "scope",
    "starting-style",
    "supports",
];

// These fetched or ran code in older browsers, whatever their value looks like.
const BANNED_PROPERTIES: &[&str] = &["behavior", "-ms-behavior", "binding"];

#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    // Values.
    "abs", "acos", "asin", "atan", "atan2", "attr", "calc", "calc-size", "clamp", "cos", "counter", "counters",
    "env", "exp", "hypot", "log", "max", "min", "mod", "pow", "rem", "round", "sign", "sin", "sqrt", "tan", "var",
    // Colours and gradients.
    "color", "color-mix", "conic-gradient", "hsl", "hsla", "hwb", "lab", "lch", "light-dark", "linear-gradient",
    "oklab", "oklch", "radial-gradient", "repeating-conic-gradient", "repeating-linear-gradient",
    "repeating-radial-gradient", "rgb", "rgba",
    // Transforms, filters and shapes.
    "blur", "brightness", "circle", "contrast", "drop-shadow", "ellipse", "grayscale", "hue-rotate", "inset",
    "invert", "matrix", "matrix3d", "opacity", "path", "perspective", "polygon", "ray", "rect", "rotate",
    "rotate3d", "rotatex", "rotatey", "rotatez", "saturate", "scale", "scale3d", "scalex", "scaley", "scalez",
    "sepia", "shape", "skew", "skewx", "skewy", "translate", "translate3d", "translatex", "translatey",
    "translatez", "xywh",
    // Timing and layout.
    "anchor", "anchor-size", "cubic-bezier", "fit-content", "linear", "minmax", "repeat", "scroll", "steps", "view",
    // Selectors and conditions.
    "dir", "has", "host", "is", "lang", "not", "nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type",
    "part", "selector", "slotted", "state", "style", "where",
];

fn clean_block(parser: &mut Parser, out: &mut Writer) -> Result<(), CssError> {
    while let Ok(token) = parser.next_including_whitespace_and_comments().cloned() {
        match &token {
            Token::AtKeyword(name) if !is_known(AT_RULES, name) => skip_at_rule(parser),
            Token::Ident(name) if is_known(BANNED_PROPERTIES, name) && is_property(parser) => {
                skip_declaration(parser);
            }
            // The parser passes over the arguments when it is asked for the next token.
            Token::Function(name) if !is_known(FUNCTIONS, name) => {}
            token if is_dropped(token) => {}
            // Its escape is a name, and has to be kept apart from its neighbours as names are.
            Token::Delim('<') => out.push(&Token::Ident("<".into())),
            token => {
                out.push(token);
                if let Some(close) = closing(token) {
                    clean_nested(parser, out)?;
                    out.push(&close);
                }
            }
        }
    }
    Ok(())
}

fn clean_nested(parser: &mut Parser, out: &mut Writer) -> Result<(), CssError> {
    parser
        .parse_nested_block(|inner| clean_block(inner, out).map_err(ParseError::custom))
        // The parser's only error of its own here is that the limit was passed.
        .map_err(|_: ParseError<CssError>| CssError::TooDeep)
}

fn closing(token: &Token) -> Option<Token<'static>> {
    match token {
        Token::Function(_) | Token::ParenthesisBlock => Some(Token::CloseParenthesis),
        Token::SquareBracketBlock => Some(Token::CloseSquareBracket),
        Token::CurlyBracketBlock => Some(Token::CloseCurlyBracket),
        _ => None,
    }
}

/// Whether a name is in a list, whatever its case and with or without a vendor's prefix.
fn is_known(list: &[&str], name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let bare = ["-webkit-", "-moz-"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    list.contains(&bare)
}

/// Addresses, what is broken, and comment marks: nothing that a working sheet needs.
fn is_dropped(token: &Token) -> bool {
    match token {
        // A unit such as `e1` would be written as an exponent. There is none.
        Token::Dimension { unit, .. } => matches!(unit.as_bytes(), [b'e' | b'E', b'0'..=b'9', ..]),
        Token::UnquotedUrl(_)
            | Token::BadUrl(_)
            | Token::BadString(_)
            | Token::Comment(_)
            | Token::CDO
            | Token::CDC
            | Token::CloseParenthesis
            | Token::CloseSquareBracket
            | Token::CloseCurlyBracket
            // A backslash that escapes nothing would escape what is written after it.
            | Token::Delim('\\') => true,
        _ => false,
    }
}

fn is_property(parser: &mut Parser) -> bool {
    parser.try_parse(|parser| parser.expect_colon().map_err(|_| ())).is_ok()
}

fn skip_at_rule(parser: &mut Parser) {
    while let Ok(token) = parser.next() {
        if matches!(token, Token::Semicolon | Token::CurlyBracketBlock) {
            return;
        }
    }
}

fn skip_declaration(parser: &mut Parser) {
    while let Ok(token) = parser.next() {
        if matches!(token, Token::Semicolon) {
            return;
        }
    }
}

/// Text made of tokens, each kept apart from the one before it.
#[derive(Default)]
struct Writer {
    text: String,
    last: TokenSerializationType,
}

impl Writer {
    fn push(&mut self, token: &Token) {
        let kind = token.serialization_type();
        if kind == self.last && kind == TokenSerializationType::WhiteSpace {
            return;
        }
        if self.last.needs_separator_when_before(kind) {
            self.text.push_str("/**/");
        }
        self.last = kind;
        match token {
            Token::WhiteSpace(space) => self.text.push(if space.contains('\n') { '\n' } else { ' ' }),
            token => self.push_escaped(&token.to_css_string()),
        }
    }

    /// Writes `<` as its CSS escape, so that no `</style` can end the element that holds the sheet.
    fn push_escaped(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (c, c == '\\') {
                ('<', _) => self.text.push_str("\\3c "),
                (_, false) => self.text.push(c),
                (_, true) => match chars.next() {
                    Some('<') => self.text.push_str("\\3c "),
                    Some(escaped) => self.text.extend(['\\', escaped]),
                    None => self.text.push('\\'),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CssError, MAX_BYTES, clean};
    use proptest::prelude::{ProptestConfig, proptest};

    #[test]
    fn ordinary_css_stays() {
        for css in [
            "input { color: #fff; padding: 1px 2px; margin: -1.5em auto }",
            "label::after { content: \"*\" }",
            "@media (max-width: 600px) and (prefers-color-scheme: dark) { .field > input:not(:focus) { color: red } }",
            "@supports (display: grid) { form { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)) } }",
            "@keyframes a { from { opacity: 0 } 50% { opacity: .5 } }",
            ":root { --main: hsl(200 10% 50% / .5) } body { color: var(--main, #000) !important }",
            "button { background: -webkit-linear-gradient(top, red, blue); scroll-behavior: smooth }",
            "input[value^=\"4\"] { width: calc(100% - 2 * var(--gap)) }",
            ".behavior { color: red }",
        ] {
            let cleaned = clean(css).unwrap();
            assert_eq!(cleaned.replace("0.5", ".5"), css);
        }
    }

    #[test]
    fn every_way_to_load_goes() {
        for css in [
            "a { background: url(https://evil.test/x) }",
            "a { background: URL( 'https://evil.test/x' ) }",
            "a { background: u\\72l(https://evil.test/x) }",
            "a { background: \\75 \\000072\\6c(\"https://evil.test/x\") }",
            "a { background: src('https://evil.test/x') }",
            "a { background: image-set('https://evil.test/x' 1x) }",
            "a { background: -WebKit-Image-Set('https://evil.test/x' 1x) }",
            "a { background: image('https://evil.test/x') }",
            "a { background: cross-fade(url(https://evil.test/x), red) }",
            "a { background: linear-gradient(red, url(https://evil.test/x)) }",
            "a { --x: url(https://evil.test/x); background: var(--x) }",
            "a { --x: { y: url(https://evil.test/x) } }",
            "a { background: var(--x, url(https://evil.test/x)) }",
            "a { background: url(https://evil.test/x",
            "a { background: url(https://evil.test/x y) }",
            "a { background: url('https://evil.test/x",
            "a { background: url('https://evil.test/x\n') }",
            "@media screen { @supports (a: b) { a { cursor: url(https://evil.test/x), auto } } }",
            "@supports (background: url(https://evil.test/x)) { a { color: red } }",
            "@import 'https://evil.test/x';",
            "@IMPORT url(https://evil.test/x) layer(a);",
            "@\\69mport 'https://evil.test/x';",
            "@\\000049 mport 'https://evil.test/x'",
            "<!-- @import 'https://evil.test/x'; -->",
            "@media screen { @import 'https://evil.test/x'; }",
            "@font-face { font-family: x; src: 'https://evil.test/x' }",
            "@namespace 'https://evil.test/x';",
            "@document url-prefix('https://evil.test/x') { a { color: red } }",
            "a { -moz-binding: 'https://evil.test/x' }",
            "a { behavior /**/ : 'https://evil.test/x' }",
            "a { BEHAV\\49OR: 'https://evil.test/x'; }",
            "a { width: expression(open('https://evil.test/x')) }",
            "a { filter: progid:DXImageTransform.Microsoft.AlphaImageLoader(src='https://evil.test/x') }",
        ] {
            let cleaned = clean(css).unwrap();
            assert!(!cleaned.contains("evil.test"), "{css} became {cleaned}");
        }
    }

    #[test]
    fn what_follows_a_dropped_part_stays() {
        assert_eq!(clean("@charset \"utf-7\"; a { color: red }").unwrap(), " a { color: red }");
        assert_eq!(clean("@font-face { a: b } a { c: d }").unwrap(), " a { c: d }");
        assert_eq!(clean("a { behavior: x; c: d }").unwrap(), "a { c: d }");
        assert_eq!(clean("a { @font-face { x: y } c: d }").unwrap(), "a { c: d }");
        assert_eq!(clean("a { background: url(x) red }").unwrap(), "a { background: red }");
    }

    #[test]
    fn neighbours_of_a_dropped_part_do_not_join() {
        assert_eq!(clean("a { x: u/**/rl/**/(y) }").unwrap(), "a { x: u/**/rl/**/(y) }");
        assert_eq!(clean("a { x: @/* */import }").unwrap(), "a { x: @/**/import }");
        assert_eq!(clean("a { x: ur<!--l<!--(y) }").unwrap(), "a { x: ur/**/l/**/(y) }");
    }

    #[test]
    fn the_style_element_cannot_be_ended() {
        for css in [
            "a::after { content: '</style><script>1</script>' }",
            "a::after { content: \"\\3c/style>\" }",
            "a::after { content: \"\\\\</style>\" }",
            "/* </style> */ a { color: red }",
            "</style><script>1</script>",
            "\\</style> { color: red }",
            ".\\3c\\/style\\3e { color: red }",
            "#\\</style { color: red }",
            "a { width: 1\\</style }",
            "@\\</style {}",
            "<!-- a { color: red } -->",
            "@media (width<600px) { a { color: red } }",
        ] {
            let cleaned = clean(css).unwrap();
            assert!(!cleaned.contains('<'), "{css} became {cleaned}");
        }
    }

    #[test]
    fn an_escaped_sign_keeps_its_meaning() {
        assert_eq!(clean("a::after{content:'<b'}").unwrap(), "a::after{content:\"\\3c b\"}");
        assert_eq!(clean("a::after{content:'\\\\<b'}").unwrap(), "a::after{content:\"\\\\\\3c b\"}");
    }

    #[test]
    fn unclosed_parts_are_closed() {
        assert_eq!(clean("a { b: (c [d").unwrap(), "a { b: (c [d])}");
        assert_eq!(clean("a { b: 'c").unwrap(), "a { b: \"c\"}");
        assert_eq!(clean("a { b: c } } ) ] x").unwrap(), "a { b: c } x");
    }

    #[test]
    fn null_bytes_do_not_get_through() {
        let cleaned = clean("a\0 { b: u\0rl(x); c: 'd\0' }\0").unwrap();
        assert!(!cleaned.contains('\0') && !cleaned.contains('('), "{cleaned}");
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert_eq!(clean(&" ".repeat(MAX_BYTES + 1)), Err(CssError::TooLarge));
        assert!(clean(&" ".repeat(MAX_BYTES)).is_ok());
        assert_eq!(clean(&"(".repeat(MAX_BYTES)), Err(CssError::TooDeep));
        assert!(clean(&"@import {".repeat(MAX_BYTES / 9)).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        // Whatever comes in, what comes out is read again as it was meant, so
        // leaving parts out has put nothing together.
        #[test]
        fn cleaning_twice_changes_nothing(css in r#"(url\(|\\|[a-z@:;{}()\[\]"'<>/* \n.#!-]|\\75 |import|u|rl|1e|/\*|\*/|<!--|\\\n){0,40}"#) {
            let once = clean(&css).unwrap();
            let twice = clean(&once).unwrap();
            assert_eq!(twice.replace("/**/", ""), once.replace("/**/", ""));
            assert!(!once.contains('<'), "{css:?} became {once:?}");
        }
    }
}
