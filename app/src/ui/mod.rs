//! HTML and its accessibility, small and without our nouns: nothing here knows the model.

pub mod ago;
pub mod dialog;
pub mod empty;
pub mod field;
pub mod icon;
pub mod keys;
pub mod problem;
pub mod react;
pub mod text;
pub mod toast;

pub use ago::{Ago, Clock};
pub use dialog::Dialog;
pub use empty::Empty;
pub use field::Field;
pub use icon::icon;
pub use keys::{KeyGroup, KeyHelp, KeySheet};
pub use problem::ProblemNote;
pub use react::{act, effect};
pub use toast::{ToastRegion, Toasts};
