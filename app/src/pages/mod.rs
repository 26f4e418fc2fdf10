//! One module a page: it reads the address, fetches, and hands data to the parts.

pub mod account;
pub mod attempt;
pub mod frame;
pub mod login;
pub mod logs;
pub mod not_found;
pub mod overview;
pub mod setup;
pub mod storage;
pub mod users;

pub use account::Account;
pub use attempt::Attempt;
pub use frame::{Frame, Who};
pub use login::Login;
pub use logs::Logs;
pub use not_found::NotFound;
pub use overview::Overview;
pub use setup::Setup;
pub use storage::Storage;
pub use users::Users;
