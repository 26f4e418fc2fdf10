use std::{collections::HashMap, sync::Arc};

use serde_json::json;
use time::{Duration, OffsetDateTime};
use tower_sessions::{
    Expiry, Session, SessionStore,
    session::{Id, Record},
};

use super::{
    super::{SessionSql, session_key},
    *,
};
use crate::clock::now;

const CREATED: i64 = 1_700_000_000_000_000_000;

/// A session layer over the first process's database.
async fn layer(pair: &Pair) -> SessionSql {
    SessionSql(Arc::new(SqlStore::open(&pair.url).await.unwrap()))
}

fn record(user: Option<&User>, created: i64, expires_in: Duration) -> Record {
    let mut data = HashMap::from([
        ("address".to_owned(), json!("192.0.2.7")),
        ("user_agent".to_owned(), json!("Browser\0/1 ünï")),
        ("created".to_owned(), json!(created)),
        ("last_seen".to_owned(), json!(created + 5)),
        ("more".to_owned(), json!({"deep": [1, 2.5, null, "a\0b"]})),
    ]);
    if let Some(user) = user {
        data.insert("user".to_owned(), json!(user.id));
    }
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::from_unix_timestamp_nanos(now().0.into()).unwrap() + expires_in }
}

async fn stored(layer: &SessionSql, user: Option<&User>, created: i64, expires_in: Duration) -> Record {
    let mut record = record(user, created, expires_in);
    layer.create(&mut record).await.unwrap();
    record
}

pub async fn they_live_and_end(pair: &Pair) {
    let (layer, store) = (layer(pair).await, &pair.two);
    let (ada, grace) = (create(store, "ada", Role::Admin).await, create(store, "grace", Role::Viewer).await);
    let mut of_ada = Vec::new();
    for n in 0..3 {
        of_ada.push(session_key(&stored(&layer, Some(&ada), CREATED + n, Duration::HOUR).await.id));
    }
    let of_grace = session_key(&stored(&layer, Some(&grace), CREATED + 9, Duration::HOUR).await.id);
    stored(&layer, None, CREATED, Duration::HOUR).await;

    let list = store.sessions(None, now()).await.unwrap();
    assert_eq!(list.iter().map(|session| &session.key).collect::<Vec<_>>(), [&of_grace, &of_ada[2], &of_ada[1], &of_ada[0]]);
    let session = &store.sessions(Some(&grace.id), now()).await.unwrap()[0];
    assert_eq!((&*session.user_id, &*session.username, &*session.address), ("id-grace", "grace", "192.0.2.7"));
    assert_eq!((session.created, session.last_seen), (Timestamp(CREATED + 9), Timestamp(CREATED + 14)));
    assert_eq!(session.user_agent, "Browser\u{fffd}/1 ünï");
    assert_eq!(store.session_user(&of_grace, now()).await.unwrap(), Some(grace));

    assert!(store.session_delete(&of_ada[0], event("session.end")).await.unwrap());
    assert!(!store.session_delete(&of_ada[0], event("session.end")).await.unwrap());
    assert_eq!(store.session_user(&of_ada[0], now()).await.unwrap(), None);
    store.sessions_delete(&ada.id, Some(&of_ada[1]), event("session.end_all")).await.unwrap();
    let list = store.sessions(Some(&ada.id), now()).await.unwrap();
    assert_eq!(list.iter().map(|session| &session.key).collect::<Vec<_>>(), [&of_ada[1]]);
    store.sessions_delete(&ada.id, None, event("session.end_all")).await.unwrap();
    assert_eq!(store.sessions(None, now()).await.unwrap().len(), 1);
    assert_eq!(actions(store).await[2..], ["session.end", "session.end_all", "session.end_all"]);
    layer.0.close().await;
}

pub async fn disabling_ends_them(pair: &Pair) {
    let (layer, store) = (layer(pair).await, &pair.two);
    create(store, "ada", Role::Admin).await;
    let grace = create(store, "grace", Role::Viewer).await;
    let session = stored(&layer, Some(&grace), CREATED, Duration::HOUR).await;
    store.user_set_disabled(&grace.id, true, event("user.disable")).await.unwrap();
    assert_eq!(store.session_user(&session_key(&session.id), now()).await.unwrap(), None);
    assert_eq!(layer.load(&session.id).await.unwrap(), None);
    assert!(layer.create(&mut record(Some(&grace), CREATED, Duration::HOUR)).await.is_err());
    // Enabled again she has to sign in again.
    store.user_set_disabled(&grace.id, false, event("user.enable")).await.unwrap();
    assert_eq!(layer.load(&session.id).await.unwrap(), None);
    layer.0.close().await;
}

pub async fn the_layer_gets_back_what_it_stored(pair: &Pair) {
    let layer = layer(pair).await;
    let ada = create(&pair.two, "ada", Role::Admin).await;
    for user in [None, Some(&ada)] {
        let mut session = stored(&layer, user, CREATED, Duration::HOUR).await;
        assert_eq!(layer.load(&session.id).await.unwrap(), Some(session.clone()));
        session.data.insert("last_seen".to_owned(), json!(CREATED + 77));
        session.expiry_date += Duration::DAY;
        layer.save(&session).await.unwrap();
        assert_eq!(layer.load(&session.id).await.unwrap(), Some(session.clone()));
    }
    assert_eq!(pair.two.sessions(None, now()).await.unwrap()[0].last_seen, Timestamp(CREATED + 77));
    assert_eq!(layer.load(&Id::default()).await.unwrap(), None);
    // An id that is taken already is given to nobody else.
    let first = stored(&layer, Some(&ada), CREATED, Duration::HOUR).await;
    let mut second = Record { id: first.id, ..record(None, CREATED, Duration::HOUR) };
    layer.create(&mut second).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(layer.load(&first.id).await.unwrap(), Some(first));
    layer.0.close().await;
}

pub async fn an_ended_one_is_not_saved_back(pair: &Pair) {
    let layer = layer(pair).await;
    let ada = create(&pair.two, "ada", Role::Admin).await;
    let session = stored(&layer, Some(&ada), CREATED, Duration::HOUR).await;
    layer.delete(&session.id).await.unwrap();
    layer.delete(&session.id).await.unwrap();
    layer.save(&session).await.unwrap();
    assert_eq!(layer.load(&session.id).await.unwrap(), None);
    layer.0.close().await;
}

pub async fn a_new_id_replaces_the_old(pair: &Pair) {
    let layer = layer(pair).await;
    let ada = create(&pair.two, "ada", Role::Admin).await;
    let expiry = Some(Expiry::OnInactivity(Duration::HOUR));
    let session = Session::new(None, Arc::new(layer.clone()), expiry);
    session.insert("before", "kept").await.unwrap();
    session.save().await.unwrap();
    let old = session.id().unwrap();
    session.cycle_id().await.unwrap();
    session.insert("user", &ada.id).await.unwrap();
    session.save().await.unwrap();
    let new = session.id().unwrap();
    assert_ne!(new, old);
    assert_eq!(layer.load(&old).await.unwrap(), None);
    assert_eq!(pair.two.session_user(&session_key(&new), now()).await.unwrap().unwrap().username, "ada");
    let again = Session::new(Some(new), Arc::new(layer.clone()), expiry);
    assert_eq!(again.get::<String>("before").await.unwrap().as_deref(), Some("kept"));
    again.flush().await.unwrap();
    assert_eq!(layer.load(&new).await.unwrap(), None);
    layer.0.close().await;
}

pub async fn expired_ones_are_gone(pair: &Pair) {
    let (layer, store) = (layer(pair).await, &pair.two);
    let ada = create(store, "ada", Role::Admin).await;
    let dead = stored(&layer, Some(&ada), CREATED, Duration::seconds(-1)).await;
    let alive = stored(&layer, Some(&ada), CREATED, Duration::HOUR).await;
    assert_eq!(layer.load(&dead.id).await.unwrap(), None);
    assert_eq!(store.session_user(&session_key(&dead.id), now()).await.unwrap(), None);
    assert_eq!(store.sessions(None, now()).await.unwrap().len(), 1);
    assert_eq!(store.expire(now()).await.unwrap(), 1);
    assert_eq!(store.expire(now()).await.unwrap(), 0);
    assert!(layer.load(&alive.id).await.unwrap().is_some());
    layer.0.close().await;
}
