//! Colours of a theme: opaque sRGB, with the contrast that WCAG 2.2 defines between two of them.

use csscolorparser::Color;
use serde::{Deserialize, Serialize};

/// An opaque colour, eight bits a channel; `#rrggbb` when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour([u8; 3]);

/// Why a text is no colour of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColourError {
    /// Not a colour of CSS Color 4.
    #[error("This has to be a colour, such as #1f5f4a or rgb(31 95 74).")]
    Unknown,
    /// What shows through decides about the contrast, so that it could not be checked.
    #[error("The colour has to be opaque.")]
    Transparent,
}

impl Colour {
    /// A colour by its channels.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Reads a CSS colour.
    pub fn parse(text: &str) -> Result<Self, ColourError> {
        let colour = csscolorparser::parse(text.trim()).map_err(|_| ColourError::Unknown)?;
        let [red, green, blue, alpha] = colour.to_rgba8();
        if alpha == u8::MAX { Ok(Self([red, green, blue])) } else { Err(ColourError::Transparent) }
    }

    /// The contrast ratio, 1 to 21: (lighter + 0.05) / (darker + 0.05) (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f32 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// A part of another colour mixed in, 0 to 1, as `color-mix(in srgb, …)` does.
    #[must_use]
    pub fn mixed(self, other: Self, part: f32) -> Self {
        Self::of(&self.color().interpolate_rgb(&other.color(), part))
    }

    /// The same hue, made lighter or darker until it has a contrast to a ground.
    #[must_use]
    pub fn adapted(self, ground: Self, contrast: f32) -> Self {
        let lighten = ground.luminance() < 0.18;
        let [mut lightness, chroma, hue, _] = self.color().to_oklcha();
        let mut found = self;
        while found.contrast(ground) < contrast && (0.0..=1.0).contains(&lightness) {
            lightness += if lighten { 0.02 } else { -0.02 };
            // Near white and black there is less room for colour.
            found = Self::of(&Color::from_oklcha(lightness, chroma * 0.9, hue, 1.0).clamp());
        }
        found
    }

    /// White, or a black, whichever is read on this colour; white where both are.
    #[must_use]
    pub fn ink(self) -> Self {
        [WHITE, NEAR_BLACK].into_iter().find(|ink| ink.contrast(self) >= 4.5).unwrap_or(BLACK)
    }

    /// A little further away from an ink: for a button under the pointer.
    #[must_use]
    pub fn away_from(self, ink: Self) -> Self {
        self.mixed(if ink.luminance() > self.luminance() { BLACK } else { WHITE }, 0.16)
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2).
    fn luminance(self) -> f32 {
        let [red, green, blue, _] = self.color().to_linear_rgba();
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    const fn color(self) -> Color {
        let [red, green, blue] = self.0;
        Color::from_rgba8(red, green, blue, u8::MAX)
    }

    fn of(color: &Color) -> Self {
        let [red, green, blue, _] = color.to_rgba8();
        Self([red, green, blue])
    }
}

const WHITE: Colour = Colour::new(255, 255, 255);
const BLACK: Colour = Colour::new(0, 0, 0);
const NEAR_BLACK: Colour = Colour::new(0x0c, 0x12, 0x18);

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourError;

    fn try_from(text: String) -> Result<Self, ColourError> {
        Self::parse(&text)
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        // Values of published checkers, to two places.
        for (a, b, ratio) in [
            ("#000", "#fff", 21.0),
            ("#777", "#fff", 4.48),
            ("#767676", "#fff", 4.54),
            ("#f00", "#fff", 4.0),
            ("#009844", "#fff", 3.76),
            ("navy", "yellow", 14.91),
        ] {
            let found = colour(a).contrast(colour(b));
            assert!((found - ratio).abs() < 0.01, "{a} on {b}: {found}");
            assert!((colour(b).contrast(colour(a)) - found).abs() < f32::EPSILON);
        }
    }

    #[test]
    fn css_colours_are_read_and_others_refused() {
        for text in
            ["#1f5f4a", "#1F5F4A", "rgb(31 95 74)", "rgb(31, 95, 74)", "rgba(31,95,74,1)", " #1f5f4aff "]
        {
            assert_eq!(colour(text).to_string(), "#1f5f4a", "{text}");
        }
        for text in ["", "#12", "greenish", "red; color: blue", "url(x)", "var(--x)", "currentcolor"] {
            assert_eq!(Colour::parse(text), Err(ColourError::Unknown), "{text}");
        }
        for text in ["#1f5f4a80", "transparent", "rgb(0 0 0 / 99%)"] {
            assert_eq!(Colour::parse(text), Err(ColourError::Transparent), "{text}");
        }
    }

    #[test]
    fn what_is_adapted_is_readable_whatever_it_was() {
        for hue in ["#009844", "#ff0000", "#0000ff", "#ffff00", "#000", "#fff", "#808080", "#68b645"] {
            for ground in ["#fff", "#171c23", "#000", "#808080"] {
                let (hue, ground) = (colour(hue), colour(ground));
                assert!(hue.adapted(ground, 4.5).contrast(ground) >= 4.5, "{hue} on {ground}");
                assert!(hue.ink().contrast(hue) >= 4.5, "ink on {hue}");
                assert!(hue.away_from(hue.ink()).contrast(hue.ink()) >= 4.5, "ink on what is near {hue}");
            }
        }
        let readable = colour("#8bd8b6");
        assert_eq!(readable.adapted(colour("#000"), 4.5), readable);
    }
}
