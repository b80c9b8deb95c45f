//! The colours of one scheme: what a merchant gave, what is completed, and the pairs that have to be readable.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::colour::Colour;
use crate::invalid::Invalid;

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// The name in a theme and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Every colour that the stylesheet uses, under the names of its custom properties.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Palette {
    background: Colour,
    surface: Colour,
    text: Colour,
    muted: Colour,
    border: Colour,
    hairline: Colour,
    primary: Colour,
    primary_strong: Colour,
    primary_text: Colour,
    focus: Colour,
    error: Colour,
    error_surface: Colour,
    success: Colour,
    card: Colour,
    card_end: Colour,
    card_text: Colour,
    card_shadow: Colour,
}

/// The colours that a merchant may give for a scheme: the interface's own (spec A.5), and ours.
pub const KEYS: [&str; 12] = [
    "primary_color",
    "success_color",
    "error_color",
    "card_shadow_color",
    "card_primary_color",
    "primary_text",
    "background",
    "surface",
    "text",
    "muted",
    "border",
    "focus",
];

/// The colours that were given, each with the pointer of its place.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<(&'static str, Colour, String)>);

impl Given {
    /// Adds a colour; what is added later counts.
    pub fn add(&mut self, key: &'static str, colour: Colour, pointer: String) {
        self.0.push((key, colour, pointer));
    }

    /// These colours over others.
    pub fn over(&self, below: &Self) -> Self {
        Self(below.0.iter().chain(&self.0).cloned().collect())
    }

    /// Nothing was given.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: &str) -> Option<Colour> {
        self.0.iter().rev().find(|(of, _, _)| *of == key).map(|(_, colour, _)| *colour)
    }

    fn pointer(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(of, _, _)| *of == key).map(|(_, _, pointer)| pointer.as_str())
    }
}

/// Our own colours of a scheme, before anything is derived from them.
struct Base {
    background: Colour,
    surface: Colour,
    text: Colour,
    muted: Colour,
    border: Colour,
    primary: Colour,
    error: Colour,
    success: Colour,
    card: Colour,
}

const LIGHT: Base = Base {
    background: Colour::new(0xf2, 0xf4, 0xf6),
    surface: Colour::new(0xff, 0xff, 0xff),
    text: Colour::new(0x14, 0x1d, 0x26),
    muted: Colour::new(0x55, 0x61, 0x6e),
    border: Colour::new(0x86, 0x92, 0x9f),
    primary: Colour::new(0x1b, 0x5e, 0x49),
    error: Colour::new(0xb4, 0x23, 0x18),
    success: Colour::new(0x1c, 0x7a, 0x4e),
    card: Colour::new(0x1f, 0x4d, 0x40),
};

const DARK: Base = Base {
    background: Colour::new(0x0d, 0x11, 0x15),
    surface: Colour::new(0x16, 0x1b, 0x21),
    text: Colour::new(0xea, 0xee, 0xf2),
    muted: Colour::new(0xa2, 0xae, 0xba),
    border: Colour::new(0x6c, 0x7a, 0x88),
    primary: Colour::new(0x86, 0xd6, 0xb4),
    error: Colour::new(0xff, 0xa0, 0x96),
    success: Colour::new(0x7d, 0xd6, 0xa6),
    card: Colour::new(0x2a, 0x5e, 0x4f),
};

impl Palette {
    /// Completes what was given. What `hints` gives for the other scheme keeps its hue here and takes the
    /// lightness that this scheme needs.
    pub fn of(scheme: Scheme, given: &Given, hints: &Given) -> Self {
        let base = match scheme {
            Scheme::Light => LIGHT,
            Scheme::Dark => DARK,
        };
        let plain = |key, usual| given.find(key).unwrap_or(usual);
        let surface = plain("surface", base.surface);
        let hued = |key, usual: Colour| {
            let hint = || hints.find(key).map_or(usual, |hint: Colour| hint.adapted(surface, 4.5));
            given.find(key).unwrap_or_else(hint)
        };
        let border = plain("border", base.border);
        let primary = hued("primary_color", base.primary);
        let primary_text = given.find("primary_text").unwrap_or_else(|| primary.ink());
        let error = hued("error_color", base.error);
        // The picture of the card has its own ink, so it needs no other colour in another scheme.
        let both = given.over(hints);
        let card = both.find("card_primary_color").unwrap_or(base.card);
        let card_text = card.ink();
        let card_end = card.away_from(card_text).away_from(card_text);
        Self {
            background: plain("background", base.background),
            surface,
            text: plain("text", base.text),
            muted: plain("muted", base.muted),
            border,
            hairline: border.mixed(surface, 0.7),
            primary,
            primary_strong: primary.away_from(primary_text),
            primary_text,
            focus: hued("focus", primary.adapted(surface, SHAPE)),
            error,
            error_surface: surface.mixed(error, 0.07),
            success: hued("success_color", base.success),
            card,
            card_end,
            card_text,
            card_shadow: both.find("card_shadow_color").unwrap_or(card_end),
        }
    }

    /// The pairs that are not told apart well enough (WCAG 2.2: 1.4.3 text, 1.4.11 what is no text), where
    /// they were given. The background lies around the form's surface; nothing is written on it. A button is
    /// known by its text, so its own colour may be near to the surface's.
    pub fn unreadable(&self, scheme: Scheme, given: &Given) -> Vec<Invalid> {
        let surface = ("surface", self.surface);
        let pairs = [
            (("text", self.text), surface, TEXT),
            (("muted", self.muted), surface, TEXT),
            (("border", self.border), surface, SHAPE),
            (("primary_text", self.primary_text), ("primary_color", self.primary), TEXT),
            (("primary_text", self.primary_text), ("primary_color", self.primary_strong), TEXT),
            (("focus", self.focus), surface, SHAPE),
            (("error_color", self.error), surface, TEXT),
            (("text", self.text), ("error_color", self.error_surface), TEXT),
            (("success_color", self.success), surface, SHAPE),
        ];
        let mut problems: Vec<Invalid> = Vec::new();
        for ((over, above), (under, below), least) in pairs {
            let ratio = above.contrast(below);
            if ratio >= least {
                continue;
            }
            let place = given.pointer(over).or_else(|| given.pointer(under)).unwrap_or("/theme").to_owned();
            let detail = format!(
                "{over} {above} on {under} {below} has a contrast of {:.2}:1 in the {} scheme; it has to be at least {least}:1.",
                // Rounded down, so that a refused 4.499 does not read as 4.50.
                (ratio * 100.0).floor() / 100.0,
                scheme.as_str(),
            );
            problems.push(Invalid::new(place, "contrast", detail));
        }
        problems
    }

    /// The custom properties, as declarations.
    pub fn declarations(&self) -> String {
        let properties = [
            ("background", self.background),
            ("surface", self.surface),
            ("text", self.text),
            ("muted", self.muted),
            ("border", self.border),
            ("hairline", self.hairline),
            ("primary", self.primary),
            ("primary-strong", self.primary_strong),
            ("primary-text", self.primary_text),
            ("focus", self.focus),
            ("error", self.error),
            ("error-surface", self.error_surface),
            ("success", self.success),
            ("card", self.card),
            ("card-end", self.card_end),
            ("card-text", self.card_text),
            ("card-shadow", self.card_shadow),
        ];
        let mut declarations = String::new();
        for (name, colour) in properties {
            // Writing to a text does not fail.
            let _ = write!(declarations, "--{name}:{colour};");
        }
        declarations
    }
}

/// The least contrast of text of the form's sizes.
const TEXT: f32 = 4.5;
/// The least contrast of borders, icons and what shows the focus.
const SHAPE: f32 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(colours: &[(&'static str, &str)]) -> Given {
        let mut given = Given::default();
        for (key, text) in colours {
            given.add(key, Colour::parse(text).unwrap(), format!("/theme/{key}"));
        }
        given
    }

    #[test]
    fn our_own_colours_are_readable() {
        let none = Given::default();
        for scheme in [Scheme::Light, Scheme::Dark] {
            let palette = Palette::of(scheme, &none, &none);
            assert_eq!(palette.unreadable(scheme, &none), [], "{scheme:?}");
            assert!(palette.error.contrast(palette.error_surface) >= SHAPE);
            assert!(palette.card_text.contrast(palette.card_end) >= TEXT);
        }
    }

    #[test]
    fn a_pair_is_refused_with_its_ratio_at_its_place() {
        let none = Given::default();
        for (colours, place, told) in [
            (
                &[("error_color", "#ff0000")][..],
                "/theme/error_color",
                "error_color #ff0000 on surface #ffffff has a contrast of 3.99:1",
            ),
            (&[("text", "#999")], "/theme/text", "text #999999 on surface"),
            (&[("surface", "#bbb")], "/theme/surface", "muted #55616e on surface #bbbbbb"),
            (&[("border", "#ddd")], "/theme/border", "at least 3:1"),
            (&[("focus", "#ffee00")], "/theme/focus", "focus #ffee00 on surface"),
            (&[("primary_text", "#777")], "/theme/primary_text", "primary_text #777777 on primary_color"),
        ] {
            let given = given(colours);
            let problems = Palette::of(Scheme::Light, &given, &none).unreadable(Scheme::Light, &given);
            let found = problems.iter().find(|problem| problem.detail.contains(told));
            assert_eq!(
                found.map(|problem| (problem.pointer.as_str(), problem.code)),
                Some((place, "contrast")),
                "{problems:?}"
            );
            assert!(problems.iter().all(|problem| problem.detail.contains("in the light scheme")));
        }
    }

    #[test]
    fn a_bright_button_gets_dark_text_and_a_focus_that_is_seen() {
        let (yellow, none) = (given(&[("primary_color", "#ffcc00")]), Given::default());
        let palette = Palette::of(Scheme::Light, &yellow, &none);
        assert_eq!(palette.unreadable(Scheme::Light, &yellow), []);
        assert!(palette.primary_text.contrast(palette.primary) > 10.0);
        assert_ne!(palette.focus, palette.primary);
    }

    #[test]
    fn what_is_given_for_one_scheme_is_adapted_to_the_other() {
        // The interface's own defaults but for its error colour, which fails on white.
        let light =
            given(&[("primary_color", "#009844"), ("error_color", "#d00000"), ("success_color", "#0f8a2a")]);
        let none = Given::default();
        assert_eq!(Palette::of(Scheme::Light, &light, &none).unreadable(Scheme::Light, &light), []);
        let dark = Palette::of(Scheme::Dark, &none, &light);
        assert_eq!(dark.unreadable(Scheme::Dark, &none), []);
        assert_ne!(dark.primary, DARK.primary);
        assert_eq!(dark.surface, DARK.surface);
    }
}
