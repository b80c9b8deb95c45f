//! What the form shows besides the typed texts. The texts themselves stay in the inputs: what was typed or
//! filled in before the wasm arrived cannot be lost, and no second copy has to be wiped.

use leptos::prelude::{ArcRwSignal, With, WithUntracked};
use shared::{Brand, Field, FieldError, Problem, Text, Texts};

use super::face::Face;

/// The one signal of the form.
pub type Live = ArcRwSignal<State>;

/// Everything that changes on the screen.
#[derive(Clone, Debug)]
pub struct State {
    /// What is read, in the language of the document.
    pub texts: Texts,
    problems: [Option<Problem>; Field::COUNT],
    /// Whether a submit was refused, so that the summary above the fields shows.
    pub refused: bool,
    /// A general message above the fields; empty for none.
    pub alert: String,
    /// The brand of the digits typed so far.
    pub brand: Brand,
    /// Whether a submit is under way.
    pub busy: bool,
}

/// What is written into the document once and then belongs to the inputs.
#[derive(Debug, Default)]
pub struct Seed {
    /// The looks of the fields; none in the browser.
    pub faces: Vec<(Field, Face)>,
    /// The markup of the choice between the brands of a co-badged card.
    pub choice: String,
    /// Whether the form cannot be sent until a script has completed it.
    pub locked: bool,
}

impl Seed {
    /// The looks of a field.
    pub fn face(&self, field: Field) -> Face {
        self.faces.iter().find(|(of, _)| *of == field).map(|(_, face)| face.clone()).unwrap_or_default()
    }
}

impl State {
    /// The state of a fresh form.
    pub fn new(texts: Texts) -> Self {
        Self {
            texts,
            problems: [None; Field::COUNT],
            refused: false,
            alert: String::new(),
            brand: Brand::Other,
            busy: false,
        }
    }

    /// The state after a refused submit.
    pub fn refused(texts: Texts, errors: &[FieldError], alert: String) -> Self {
        let mut state = Self { alert, ..Self::new(texts) };
        state.refuse(errors);
        state
    }

    /// Replaces all problems by those of a refused submit.
    pub fn refuse(&mut self, errors: &[FieldError]) {
        self.problems = [None; Field::COUNT];
        for error in errors {
            self.set(error.field, Some(error.problem));
        }
        self.refused = !errors.is_empty();
    }

    /// Forgets all but a submit that is under way.
    pub fn start_again(&mut self) {
        *self = Self { busy: self.busy, ..Self::new(self.texts.clone()) };
    }

    /// What is wrong with a field.
    pub fn problem(&self, field: Field) -> Option<Problem> {
        self.problems.get(field.index()).copied().flatten()
    }

    /// Changes what is wrong with one field. The summary goes with the last problem.
    pub fn set(&mut self, field: Field, problem: Option<Problem>) {
        if let Some(place) = self.problems.get_mut(field.index()) {
            *place = problem;
        }
        self.refused &= self.problems.iter().any(Option::is_some);
    }

    /// The message beside a field; empty for none.
    pub fn message(&self, field: Field) -> &str {
        self.problem(field).map_or("", |problem| self.texts.told(field, problem))
    }

    /// The first field of the form that has a problem.
    pub fn first_problem(&self) -> Option<Field> {
        Field::ALL.into_iter().find(|&field| self.problem(field).is_some())
    }

    /// Where the brand prints its security code.
    pub fn code_hint(&self) -> &str {
        self.texts.get(match self.brand {
            Brand::Amex => Text::CvvHintFront,
            Brand::Other => Text::CvvHintAny,
            _ => Text::CvvHintBack,
        })
    }

    /// What the button says.
    pub fn button(&self) -> &str {
        self.texts.get(if self.busy { Text::Submitting } else { Text::Submit })
    }
}

/// A text that follows the state. Boxed, so that the browser's code has one such thing and not one per use.
pub(super) type Words = Box<dyn FnMut() -> String + Send>;
/// The value of an attribute that follows the state; nothing that is read.
pub(super) type Value = Box<dyn FnMut() -> &'static str + Send>;
/// A switch that follows the state.
pub(super) type Flag = Box<dyn FnMut() -> bool + Send>;

/// A text that stays. Where the browser is not handed it, what the server wrote stays.
pub fn text(live: &Live, text: Text) -> String {
    live.with_untracked(|state| state.texts.get(text).to_owned())
}

pub(super) fn words(live: &Live, pick: impl Fn(&State) -> &str + Send + 'static) -> Words {
    let live = live.clone();
    Box::new(move || live.with(|state| pick(state).to_owned()))
}

pub(super) fn value(live: &Live, pick: impl Fn(&State) -> &'static str + Send + 'static) -> Value {
    let live = live.clone();
    Box::new(move || live.with(&pick))
}

pub(super) fn flag(live: &Live, pick: impl Fn(&State) -> bool + Send + 'static) -> Flag {
    let live = live.clone();
    Box::new(move || live.with(&pick))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_goes_with_the_last_problem() {
        let error = |field, problem| FieldError { field, problem };
        let mut state = State::refused(
            Texts::named(),
            &[error(Field::Cvv, Problem::Missing), error(Field::CardNumber, Problem::Checksum)],
            String::new(),
        );
        assert_eq!(state.first_problem(), Some(Field::CardNumber));
        state.set(Field::CardNumber, None);
        assert!(state.refused);
        state.set(Field::Cvv, None);
        assert!(!state.refused);
        // A problem found while typing is told beside its field only.
        state.set(Field::Cvv, Some(Problem::Missing));
        assert!(!state.refused && !state.message(Field::Cvv).is_empty());
    }
}
