//! Something a person asks the server to do: under way or not, and what came of it.

use std::{future::Future, pin::Pin};

use leptos::{prelude::*, task::spawn_local};
use model::{Code, Problem};

use crate::{
    parts::trouble::{plain_detail, sign_in_again},
    rpc::Failure,
    ui::effect,
};

/// One form's or one button's requests, one at a time.
#[derive(Clone, Copy)]
pub struct Attempt {
    pub is_busy: RwSignal<bool>,
    pub problem: RwSignal<Option<Problem>>,
}

impl Attempt {
    /// Busy until the page is alive: a button that waits on it cannot be pressed before it does something.
    pub fn new() -> Self {
        let is_busy = RwSignal::new(true);
        effect(move || is_busy.set(false));
        Self { is_busy, problem: RwSignal::new(None) }
    }

    /// Sends `request` unless one is under way; `then` gets what it answered. Nothing happens to a page that was left meanwhile.
    pub fn run<T: 'static>(self, request: impl Future<Output = Result<T, Failure>> + 'static, then: impl FnOnce(T) + 'static) {
        self.run_boxed(Box::pin(request), Box::new(then));
    }

    /// Compiled once for each kind of answer, not for each request.
    fn run_boxed<T: 'static>(self, request: Pin<Box<dyn Future<Output = Result<T, Failure>>>>, then: Box<dyn FnOnce(T)>) {
        if self.is_busy.get_untracked() {
            return;
        }
        self.is_busy.set(true);
        spawn_local(async move {
            let answer = request.await;
            if self.is_busy.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(value) => {
                    self.problem.set(None);
                    then(value);
                }
                Err(Failure(problem)) => {
                    if problem.code == Code::NoSession {
                        sign_in_again();
                    }
                    self.problem.set(Some(problem));
                }
            }
        });
    }

    /// What is wrong with one field.
    pub fn at_field(self, name: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || {
            let problem = self.problem.get();
            problem.filter(|problem| problem.field.as_deref() == Some(name)).map(|problem| plain_detail(&problem))
        })
    }

    /// What is wrong with none of `fields`.
    pub fn elsewhere(self, fields: &'static [&'static str]) -> Signal<Option<Problem>> {
        Signal::derive(move || self.problem.get().filter(|problem| !problem.field.as_deref().is_some_and(|field| fields.contains(&field))))
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::new()
    }
}
