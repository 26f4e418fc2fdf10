//! What stands around every page of a signed-in person: the bar with the ways to go, the palette, the sheet of keys, the toasts.

use leptos::{
    ev, html,
    prelude::*,
    reactive::{computed::ScopedFuture, owner::Owner},
    task::spawn_local,
};
use leptos_router::hooks::{use_location, use_navigate};
use model::{Me, Permission, Role, searches::SavedSearch};

use crate::{
    late,
    late::Late,
    parts::{CommandPalette, ThemeSelect, command_palette::Place},
    paths, routes, rpc,
    rpc::Failure,
    shell::Theme,
    ui::{KeyGroup, KeyHelp, KeySheet, ToastRegion, Toasts, act, effect, icon, keys::is_typing},
};

/// The signed-in person. Read it inside a `Suspense`.
#[derive(Clone, Copy)]
pub struct Who(pub Resource<Result<Me, Failure>>);

impl Who {
    /// Whether the person may; `false` while nobody knows.
    pub fn may(self, permission: Permission) -> bool {
        self.with_me(|me| me.permissions.contains(&permission)).unwrap_or(false)
    }

    pub fn with_me<T>(self, read: impl FnOnce(&Me) -> T) -> Option<T> {
        self.0.with(|me| match me {
            Some(Ok(me)) => Some(read(me)),
            _ => None,
        })
    }
}

const KEYS: KeyGroup =
    KeyGroup { title: "Everywhere", keys: &[("Ctrl K", "Go to a page or service"), ("?", "This sheet"), ("Esc", "Close what is open")] };

/// The page's `<main>` with the bar above it.
#[component]
pub fn Frame(children: Children) -> impl IntoView {
    let path = use_location().pathname;
    let theme = Theme::on_page();
    let who = Who(Resource::new(|| (), |()| rpc::me::me()));
    provide_context(who);
    let toasts = Toasts::provide();
    let help = KeyHelp::provide();
    let palette = RwSignal::new(false);
    let main = NodeRef::<html::Main>::new();
    let is_alive = RwSignal::new(false);
    effect(move || is_alive.set(true));
    effect(move || help.add(KEYS));
    let mut before = None;
    effect(move || {
        let path = path.get();
        // A new page is announced by moving the focus to it, as a load would.
        if before.replace(path.clone()).is_some_and(|before| before != path)
            && let Some(main) = main.get_untracked()
        {
            let _ = main.focus();
        }
    });
    listen_keys(palette, help);
    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <Bar who=who theme=theme path=path palette=palette/>
        <main
            id="main"
            class="page"
            tabindex="-1"
            data-alive=move || is_alive.get().to_string()
            node_ref=main
        >
            {children()}
        </main>
        <Palette who=who open=palette/>
        <KeySheet help=help/>
        <ToastRegion toasts=toasts/>
    }
    .into_any()
}

fn listen_keys(palette: RwSignal<bool>, help: KeyHelp) {
    effect(move || {
        // Lives as long as the document, as the frame does.
        window_event_listener(ev::keydown, move |event| {
            let chord = event.ctrl_key() || event.meta_key();
            if chord && !event.alt_key() && event.key().eq_ignore_ascii_case("k") {
                event.prevent_default();
                help.open.set(false);
                palette.update(|open| *open = !*open);
            } else if !chord && event.key() == "?" && !is_typing(&event) && !palette.get_untracked() {
                event.prevent_default();
                help.open.set(true);
            }
        });
    });
}

#[component]
fn Bar(who: Who, theme: Theme, path: Memo<String>, palette: RwSignal<bool>) -> impl IntoView {
    let menu = NodeRef::<html::Div>::new();
    let link = move |href: &'static str, name: &'static str| {
        let expect = move |_: web_sys::PointerEvent| {
            if let Some(late) = routes::late(href) {
                late.expect();
            }
        };
        view! { <a href=href aria-current=move || (path.get() == href).then_some("page") on:pointerenter=expect>{name}</a> }
    };
    let allowed = move || {
        let logs = who.may(Permission::LogsRead).then(|| [link(paths::LOGS, "Logs"), link(paths::STORAGE, "Storage")]);
        let users = who.may(Permission::UsersManage).then(|| link(paths::USERS, "Users"));
        Some(view! { {logs} {users} }.into_any())
    };
    let person = move || {
        who.with_me(|me| {
            view! {
                <span class="bar-name">{me.username.clone()}</span>
                <span class="badge" title=explain(me.role)>{me.role.as_str()}</span>
            }
            .into_any()
        })
    };
    view! {
        <header class="bar">
            <a class="brand" href=paths::OVERVIEW aria-label="DocAIche, overview">
                <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true">
                    <path d="M3 4h18v16H3zM7 9l3 3-3 3M12 15h5"></path>
                </svg>
                <span>"DocAIche"</span>
            </a>
            // On a narrow screen a popover, which the browser opens and closes; on a wide one the rest of the bar.
            <div id="menu" class="menu" popover="auto" node_ref=menu>
                <nav
                    aria-label="Main"
                    on:click=act(move |_| {
                        if let Some(menu) = menu.get_untracked() {
                            let _ = menu.hide_popover();
                        }
                    })
                >
                    {link(paths::OVERVIEW, "Overview")}
                    <Transition>{move || allowed()}</Transition>
                    {link(paths::ACCOUNT, "Account")}
                    <a href=paths::API_DOCS rel="external">"API docs"</a>
                </nav>
                <div class="bar-tools">
                    <ThemeSelect initial=theme/>
                    <p class="bar-person"><Transition>{move || person()}</Transition></p>
                    <form method="post" action=paths::LOGOUT>
                        <button type="submit" class="button">"Sign out"</button>
                    </form>
                </div>
            </div>
            <button type="button" class="palette-open" aria-keyshortcuts="Control+K Meta+K" on:click=act(move |_| palette.set(true))>
                {icon::icon(icon::SEARCH)}
                <span>"Go to…"</span>
                <kbd>"Ctrl K"</kbd>
            </button>
            <button type="button" class="button menu-open" popovertarget="menu">
                {icon::icon(icon::MENU)}
                "Menu"
            </button>
        </header>
    }
    .into_any()
}

/// A role in a sentence.
fn explain(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Sees dashboards, metrics, containers and alerts",
        Role::Developer => "Reads and exports logs as well",
        Role::Operator => "Starts and stops containers as well",
        Role::Admin => "May do everything",
    }
}

/// The palette with the places this person may go to. Services are fetched at each opening.
#[component]
fn Palette(who: Who, open: RwSignal<bool>) -> impl IntoView {
    let places = RwSignal::new(Vec::new());
    let navigate = use_navigate();
    provide_context(SavedPlaces(places));
    let owner = Owner::current();
    effect(move || {
        if !open.get() {
            return;
        }
        let reads_logs = untrack(|| who.may(Permission::LogsRead));
        places.set(pages(untrack(|| who.may(Permission::UsersManage)), reads_logs));
        if reads_logs {
            spawn_local(async move {
                // Without an answer the pages are still there to go to.
                let services = rpc::logs::services_list().await.unwrap_or_default();
                let place = |service: model::Service| Place { href: paths::logs_of(&service.id), name: service.id, kind: "service" };
                places.update(|places| places.extend(services.into_iter().map(place)));
            });
            if let Some(owner) = &owner {
                // Without it the searches are still on the page of the logs.
                let fetch = async move { drop((SAVED.view)().await) };
                owner.with(|| spawn_local(ScopedFuture::new_untracked(fetch)));
            }
        }
    });
    let go = Callback::new(move |href: String| navigate(&href, leptos_router::NavigateOptions::default()));
    view! { <CommandPalette open=open places=places go=go/> }
}

/// The palette's list, for what comes late.
#[derive(Clone, Copy)]
struct SavedPlaces(RwSignal<Vec<Place>>);

/// Not a view: it adds the person's saved searches to the palette.
const SAVED: Late = late!(search, palette_places, saved_places());

fn saved_places() {
    let SavedPlaces(places) = expect_context();
    spawn_local(async move {
        let Ok(found) = rpc::searches::searches().await else { return };
        let place = |search: SavedSearch| Place { name: search.name, kind: "search", href: [paths::LOGS, "?", &search.query].concat() };
        let saved: Vec<Place> = found.saved.into_iter().map(place).collect();
        places.try_update(|places| {
            places.retain(|place| place.kind != "search");
            places.extend(saved);
        });
    });
}

fn pages(manages_users: bool, reads_logs: bool) -> Vec<Place> {
    let all = [
        ("Overview", paths::OVERVIEW, true),
        ("Logs", paths::LOGS, reads_logs),
        ("Storage", paths::STORAGE, reads_logs),
        ("Users", paths::USERS, manages_users),
        ("Account", paths::ACCOUNT, true),
    ];
    let place = |(name, href, _): (&str, &str, bool)| Place { name: name.to_owned(), kind: "page", href: href.to_owned() };
    all.into_iter().filter(|(_, _, allowed)| *allowed).map(place).collect()
}
