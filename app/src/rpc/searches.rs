//! The signed-in person's searches.

use leptos::prelude::*;
use model::searches::{SavedSearch, Searches};

use super::{Failure, Json};

/// Those saved and those made lately.
///
/// # Errors
/// The problem as the server told it.
#[server(name = SearchesGet, endpoint = "searches/list", input = Json, output = Json)]
pub async fn searches() -> Result<Searches, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.searches(&cx).await.map_err(|error| crate::ssr::fail(&error))
}

/// Keeps what stands behind `/logs?` under a name.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "searches/save", input = Json, output = Json)]
pub async fn search_save(name: String, query: String) -> Result<SavedSearch, Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.search_save(&cx, &name, &query).await.map_err(|error| crate::ssr::fail(&error))
}

/// # Errors
/// The problem as the server told it.
#[server(endpoint = "searches/delete", input = Json, output = Json)]
pub async fn search_delete(id: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.search_delete(&cx, &id).await.map_err(|error| crate::ssr::fail(&error))
}

/// A saved search was opened.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "searches/used", input = Json, output = Json)]
pub async fn search_used(id: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.search_used(&cx, &id).await.map_err(|error| crate::ssr::fail(&error))
}

/// A search was made.
///
/// # Errors
/// The problem as the server told it.
#[server(endpoint = "searches/made", input = Json, output = Json)]
pub async fn search_made(query: String) -> Result<(), Failure> {
    let (ops, cx) = crate::ssr::ops();
    ops.search_made(&cx, &query).await.map_err(|error| crate::ssr::fail(&error))
}
