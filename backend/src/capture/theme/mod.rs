//! How a form looks: a merchant's theme, checked when the form is made, and the custom properties and switches
//! that the page gets of it (spec A.5; docs/form.md).

mod colour;
pub mod logo;
mod palette;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use colour::{Colour, ColourError};
use palette::{Given, KEYS, Palette, Scheme};

use self::logo::{Logo, Source};
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};

/// The looks of a form, as stored: only what was checked. Colours are absent where they are our own.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Look {
    scheme: Choice,
    light: Option<Palette>,
    dark: Option<Palette>,
    radius: u8,
    font: String,
    font_scale: f32,
    density: String,
    /// `stacked` or `compact`.
    pub layout: String,
    /// `above` or `floating`.
    pub labels: String,
    /// Whether the picture of the card is shown.
    pub picture: bool,
    /// The merchant's logo.
    pub logo: Option<Logo>,
    /// Whether our own style is left out, so that the merchant's decides alone.
    pub bare: bool,
}

/// `color_scheme`: one of the schemes, or as the reader's system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Light,
    Dark,
    #[default]
    Auto,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            scheme: Choice::Auto,
            light: None,
            dark: None,
            radius: 10,
            font: "system".to_owned(),
            font_scale: 1.0,
            density: "comfortable".to_owned(),
            layout: "stacked".to_owned(),
            labels: "above".to_owned(),
            picture: false,
            logo: None,
            bare: false,
        }
    }
}

/// Fonts that readers have already, by the name in a theme. None is fetched.
const FONTS: [(&str, &str); 7] = [
    ("system", "system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif"),
    ("grotesque", "\"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\",\"Noto Sans\",sans-serif"),
    ("humanist", "\"Gill Sans\",\"Gill Sans MT\",Calibri,Candara,\"Trebuchet MS\",\"Noto Sans\",sans-serif"),
    ("geometric", "\"Avenir Next\",Avenir,\"Century Gothic\",Futura,Montserrat,\"Noto Sans\",sans-serif"),
    (
        "rounded",
        "ui-rounded,\"SF Pro Rounded\",\"Arial Rounded MT Bold\",Nunito,Quicksand,\"Noto Sans\",sans-serif",
    ),
    ("serif", "\"Iowan Old Style\",Charter,Cambria,Georgia,\"Noto Serif\",serif"),
    ("mono", "ui-monospace,\"SF Mono\",\"Cascadia Mono\",Menlo,Consolas,\"Noto Sans Mono\",monospace"),
];
/// How far things stand apart, by the name in a theme, as a factor.
const DENSITIES: [(&str, &str); 3] = [("compact", ".75"), ("comfortable", "1"), ("spacious", "1.25")];
/// The roundest corner, in CSS pixels.
const MAX_RADIUS: u8 = 28;
/// The smallest and the largest text, as a factor of the reader's own.
const FONT_SCALES: std::ops::RangeInclusive<f32> = 0.875..=1.5;

impl Look {
    /// The look as its owner reads it: what was given, completed; the logo without its bytes. Colours are
    /// `null` where they are our own.
    pub fn shown(&self) -> serde_json::Value {
        let logo = self.logo.as_ref().map(|logo| {
            serde_json::json!({ "width": logo.width, "height": logo.height, "alt": logo.alt, "sha256": logo.hash })
        });
        serde_json::json!({
            "color_scheme": self.scheme, "light": self.light, "dark": self.dark, "radius": self.radius,
            "font": self.font, "font_scale": self.font_scale, "density": self.density, "layout": self.layout,
            "labels": self.labels, "show_card": self.picture, "logo": logo,
        })
    }

    /// The stylesheet of the custom properties. `data-scheme` at the root overrules the reader's system where a
    /// form has both schemes. Without a style of ours nothing asks for them, and the scheme is the merchant's to say.
    pub fn css(&self) -> String {
        if self.bare {
            return String::new();
        }
        let none = Given::default();
        let declarations = |scheme, own: &Option<Palette>| {
            own.as_ref()
                .map_or_else(|| Palette::of(scheme, &none, &none).declarations(), Palette::declarations)
        };
        let mut css = String::from(":root{");
        let _ = write!(
            css,
            "--radius:{}px;--font:{};--scale:{};--space:{};",
            self.radius,
            known(&FONTS, &self.font),
            self.font_scale,
            known(&DENSITIES, &self.density)
        );
        let light = declarations(Scheme::Light, &self.light);
        let dark = declarations(Scheme::Dark, &self.dark);
        match self.scheme {
            Choice::Light => css + "color-scheme:light;" + &light + "}",
            Choice::Dark => css + "color-scheme:dark;" + &dark + "}",
            Choice::Auto => {
                let _ = write!(
                    css,
                    "color-scheme:light;{light}}}\
                     @media(prefers-color-scheme:dark){{:root:not([data-scheme=light]){{color-scheme:dark;{dark}}}}}\
                     :root[data-scheme=dark]{{color-scheme:dark;{dark}}}"
                );
                css
            }
        }
    }
}

fn known(list: &[(&'static str, &'static str)], name: &str) -> &'static str {
    let found = list.iter().find(|(known, _)| *known == name).or(list.first());
    found.map_or("", |(_, value)| value)
}

/// Reads the looks out of a form's body, and where its logo comes from.
pub fn take(body: &mut Members) -> Result<(Look, Option<Source>), Vec<Invalid>> {
    let mut reader = Reader::default();
    let mut look = Look {
        layout: reader.choice(body, "", "layout", &["stacked", "compact"]),
        labels: reader.choice(body, "", "labels", &["above", "floating"]),
        picture: picture(&mut reader, body),
        ..Look::default()
    };
    look.scheme = match reader.choice(body, "", "color_scheme", &["auto", "light", "dark"]).as_str() {
        "light" => Choice::Light,
        "dark" => Choice::Dark,
        _ => Choice::Auto,
    };
    let mut source = None;
    match body.take("theme") {
        None | Some(Value::Null) => {}
        Some(Value::Object(theme)) => source = read_theme(&mut reader, &mut look, theme),
        Some(_) => reader.refuse("/theme", "type", "The theme has to be an object."),
    }
    if reader.problems.is_empty() { Ok((look, source)) } else { Err(reader.problems) }
}

/// `show_card` is the older name, and says the opposite of `hide_card` (spec A.5).
fn picture(reader: &mut Reader, body: &mut Members) -> bool {
    let shown = reader.switch(body, "show_card");
    let hidden = reader.switch(body, "hide_card");
    hidden.map_or(shown.unwrap_or(false), |hidden| !hidden)
}

fn read_theme(reader: &mut Reader, look: &mut Look, mut theme: Members) -> Option<Source> {
    let flat = reader.colours(&mut theme, "/theme");
    let light = reader.scheme(&mut theme, Scheme::Light);
    let dark = reader.scheme(&mut theme, Scheme::Dark);
    look.radius = reader.number(&mut theme, "radius", 0.0..=f32::from(MAX_RADIUS)).map_or(look.radius, whole);
    look.font_scale = reader.number(&mut theme, "font_scale", FONT_SCALES).unwrap_or(look.font_scale);
    look.font = reader.choice(&mut theme, "/theme", "font", &FONTS.map(|(name, _)| name));
    let densities = ["comfortable", "compact", "spacious"];
    look.density = reader.choice(&mut theme, "/theme", "density", &densities);
    let source = reader.logo(&mut theme);
    reader.nothing_else(&theme, "/theme");
    // What stands outside of `light` and `dark` is meant for the scheme that the form has, or for light.
    let (light, dark) = match look.scheme {
        Choice::Dark => (light, dark.over(&flat)),
        Choice::Light | Choice::Auto => (light.over(&flat), dark),
    };
    if look.scheme != Choice::Dark {
        look.light = reader.palette(Scheme::Light, &light, &Given::default());
    }
    if look.scheme != Choice::Light {
        look.dark = reader.palette(Scheme::Dark, &dark, &light);
    }
    source
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 28")]
fn whole(number: f32) -> u8 {
    number.round() as u8
}

/// Reads members and gathers what is wrong with them.
#[derive(Default)]
struct Reader {
    problems: Vec<Invalid>,
}

impl Reader {
    fn refuse(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.problems.push(Invalid::new(pointer, code, detail));
    }

    /// One of a few words; the first if there is none.
    fn choice(&mut self, from: &mut Members, at: &str, name: &str, words: &[&str]) -> String {
        let first = words.first().copied().unwrap_or_default();
        let told = match from.take(name) {
            None | Some(Value::Null) => Some(first),
            Some(value) => value.as_text().and_then(|text| words.iter().find(|word| **word == text).copied()),
        };
        if told.is_none() {
            self.refuse(
                format!("{at}/{name}"),
                "unknown",
                format!("This has to be one of {}.", words.join(", ")),
            );
        }
        told.unwrap_or(first).to_owned()
    }

    fn switch(&mut self, from: &mut Members, name: &str) -> Option<bool> {
        let value = from.take(name)?;
        let read = value.as_bool();
        if read.is_none() {
            self.refuse(format!("/{name}"), "type", "This has to be true or false.");
        }
        read
    }

    fn number(
        &mut self,
        from: &mut Members,
        name: &str,
        range: std::ops::RangeInclusive<f32>,
    ) -> Option<f32> {
        let read = match from.take(name)? {
            Value::Number(digits) => digits.parse::<f32>().ok().filter(|number| range.contains(number)),
            _ => None,
        };
        if read.is_none() {
            let detail = format!("This has to be a number from {} to {}.", range.start(), range.end());
            self.refuse(format!("/theme/{name}"), "range", detail);
        }
        read
    }

    fn scheme(&mut self, theme: &mut Members, scheme: Scheme) -> Given {
        let at = format!("/theme/{}", scheme.as_str());
        match theme.take(scheme.as_str()) {
            None | Some(Value::Null) => Given::default(),
            Some(Value::Object(mut colours)) => {
                let given = self.colours(&mut colours, &at);
                self.nothing_else(&colours, &at);
                given
            }
            Some(_) => {
                self.refuse(at, "type", "The colours of a scheme have to be an object.");
                Given::default()
            }
        }
    }

    fn colours(&mut self, from: &mut Members, at: &str) -> Given {
        let mut given = Given::default();
        for key in KEYS {
            let Some(value) = from.take(key) else { continue };
            let pointer = format!("{at}/{key}");
            match value.as_text().map_or(Err(ColourError::Unknown), Colour::parse) {
                Ok(colour) => given.add(key, colour, pointer),
                Err(error) => self.refuse(pointer, "colour", error.to_string()),
            }
        }
        given
    }

    /// The completed colours of a scheme; nothing if they are our own.
    fn palette(&mut self, scheme: Scheme, given: &Given, hints: &Given) -> Option<Palette> {
        let palette = Palette::of(scheme, given, hints);
        self.problems.extend(palette.unreadable(scheme, given));
        (!given.is_empty() || !hints.is_empty()).then_some(palette)
    }

    fn logo(&mut self, theme: &mut Members) -> Option<Source> {
        let alt = logo::take_alt(theme);
        let source = logo::take(theme).and_then(|found| Ok((found, alt?)));
        match source {
            Ok((found, alt)) => found.map(|image| Source { image, alt }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn nothing_else(&mut self, members: &Members, at: &str) {
        if let Some((unknown, _)) = members.iter().next() {
            let pointer = format!("{at}/{}", told(unknown));
            self.refuse(pointer, "unknown", "A theme has no such member.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Look, Vec<String>> {
        take(&mut Members::parse(body.as_bytes()).unwrap())
            .map(|(look, _)| look)
            .map_err(|problems| problems.iter().map(|p| format!("{} {}", p.pointer, p.code)).collect())
    }

    #[test]
    fn a_form_without_a_theme_has_our_own_colours_in_both_schemes() {
        let look = read("{}").unwrap();
        assert_eq!(look, Look::default());
        let css = look.css();
        assert_eq!(css.matches("--surface:#ffffff;").count(), 1);
        assert_eq!(css.matches("--surface:#161b21;").count(), 2);
        assert_eq!(css.matches('{').count(), css.matches('}').count());
    }

    #[test]
    fn sheets_ask_for_no_property_that_nobody_sets() {
        let own = Look::default().css();
        let sheets = concat!(
            include_str!("../../../../static/form.css"),
            include_str!("../../../../static/fields.css"),
            include_str!("../../../../static/keypad.css"),
            include_str!("../../../../static/link.css"),
            include_str!("../../../../static/pay.css"),
        );
        for used in sheets.split("var(").skip(1) {
            let name = used.split(')').next().unwrap_or_default();
            assert!(own.contains(&format!("{name}:")) || sheets.contains(&format!("{name}: ")), "{name}");
        }
    }

    #[test]
    fn flat_colours_are_for_the_one_scheme_that_a_form_has() {
        let css = read(r##"{"color_scheme":"dark","theme":{"surface":"#101010"}}"##).unwrap().css();
        assert!(
            css.contains("--surface:#101010") && css.contains("color-scheme:dark") && !css.contains("@media")
        );
        let css =
            read(r##"{"color_scheme":"light","theme":{"surface":"#fafafa","radius":0}}"##).unwrap().css();
        assert!(css.contains("--surface:#fafafa") && css.contains("--radius:0px") && !css.contains("dark"));
        let css = read(r##"{"theme":{"surface":"#fafafa","dark":{"surface":"#111"}}}"##).unwrap().css();
        assert!(css.contains("--surface:#fafafa") && css.contains("--surface:#111111"));
    }

    #[test]
    fn stored_looks_come_back() {
        let body = r##"{"layout":"compact","labels":"floating","hide_card":false,"theme":
            {"primary_color":"#009844","radius":4,"font":"serif","font_scale":1.25,"density":"spacious"}}"##;
        let look = read(body).unwrap();
        let again: Look = serde_json::from_str(&serde_json::to_string(&look).unwrap()).unwrap();
        assert_eq!(again, look);
        assert!(
            look.picture
                && look.css().contains("--radius:4px;")
                && look.css().contains("--scale:1.25;--space:1.25;")
        );
        // A form that was stored before there were themes.
        assert_eq!(serde_json::from_str::<Look>("{}").unwrap(), Look::default());
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        for (body, problem) in [
            (r#"{"theme":[]}"#, "/theme type"),
            (r#"{"theme":{"accent":"red"}}"#, "/theme/accent unknown"),
            (r#"{"theme":{"light":{"radius":4}}}"#, "/theme/light/radius unknown"),
            (r#"{"theme":{"dark":"black"}}"#, "/theme/dark type"),
            (r#"{"theme":{"text":"reddish"}}"#, "/theme/text colour"),
            (r##"{"theme":{"dark":{"text":"#ffffff80"}}}"##, "/theme/dark/text colour"),
            (r#"{"theme":{"text":7}}"#, "/theme/text colour"),
            (r#"{"theme":{"radius":29}}"#, "/theme/radius range"),
            (r#"{"theme":{"radius":"4px"}}"#, "/theme/radius range"),
            (r#"{"theme":{"font_scale":3}}"#, "/theme/font_scale range"),
            (r#"{"theme":{"font":"Comic Sans MS"}}"#, "/theme/font unknown"),
            (r#"{"theme":{"density":"dense"}}"#, "/theme/density unknown"),
            (r#"{"layout":"grid"}"#, "/layout unknown"),
            (r#"{"labels":true}"#, "/labels unknown"),
            (r#"{"color_scheme":"sepia"}"#, "/color_scheme unknown"),
            (r#"{"hide_card":"perhaps"}"#, "/hide_card type"),
            (r##"{"theme":{"error_color":"#ff0000"}}"##, "/theme/error_color contrast"),
            (r##"{"theme":{"dark":{"muted":"#333"}}}"##, "/theme/dark/muted contrast"),
        ] {
            assert_eq!(read(body), Err(vec![problem.to_owned()]), "{body}");
        }
        let both = read(r##"{"layout":"grid","theme":{"text":"no","error_color":"#f00"}}"##).unwrap_err();
        assert_eq!(both, ["/layout unknown", "/theme/text colour", "/theme/error_color contrast"]);
    }

    #[test]
    fn the_card_is_shown_where_it_is_asked_for() {
        for (body, shown) in [
            ("{}", false),
            (r#"{"show_card":true}"#, true),
            (r#"{"hide_card":false}"#, true),
            (r#"{"hide_card":true,"show_card":true}"#, false),
        ] {
            assert_eq!(read(body).unwrap().picture, shown, "{body}");
        }
    }
}
