//! Views that know our nouns and take data; nothing here fetches.

pub mod command_palette;
pub mod health_list;
pub mod level_badge;
pub mod log_marks;
pub mod log_row;
pub mod log_time;
pub mod log_view;
pub mod query_bar;
pub mod query_text;
pub mod role_select;
pub mod service_picker;
pub mod service_row;
pub mod session_table;
pub mod system_facts;
pub mod theme_select;
pub mod trouble;

pub use command_palette::CommandPalette;
pub use health_list::HealthList;
pub use level_badge::LevelBadge;
pub use query_bar::{QueryBar, StyleBar};
pub use role_select::RoleSelect;
pub use service_picker::ServicePicker;
pub use service_row::ServiceRow;
pub use session_table::SessionTable;
pub use system_facts::SystemFacts;
pub use theme_select::ThemeSelect;
pub use trouble::Trouble;
