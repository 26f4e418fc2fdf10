use super::*;

pub async fn accounts_are_kept(pair: &Pair) {
    let (one, two) = (&pair.one, &pair.two);
    assert_eq!(one.user_count().await.unwrap(), 0);
    let grace = create(one, "grace", Role::Admin).await;
    let ada = create(one, "Ada", Role::Viewer).await;
    assert_eq!(two.users().await.unwrap(), [ada.clone(), grace]);
    one.user_set_password(&ada.id, "$argon2id$new", event("user.password")).await.unwrap();
    one.user_set_role(&ada.id, Role::Operator, event("user.role")).await.unwrap();
    one.user_set_disabled(&ada.id, true, event("user.disable")).await.unwrap();
    one.user_signed_in(&ada.id, Timestamp(42), event("session.sign_in")).await.unwrap();
    let expected =
        User { role: Role::Operator, disabled: true, password_hash: "$argon2id$new".to_owned(), last_sign_in: Some(Timestamp(42)), ..ada };
    assert_eq!(two.user_by_name("aDA").await.unwrap(), Some(expected));
    assert_eq!(two.user_count().await.unwrap(), 2);
    let expected = ["user.create", "user.create", "user.password", "user.role", "user.disable", "session.sign_in"];
    assert_eq!(actions(two).await, expected);
}

pub async fn names_are_unique_without_regard_to_case(pair: &Pair) {
    create(&pair.one, "Ada", Role::Admin).await;
    let second = User { id: "other".to_owned(), ..user("aDA", Role::Viewer) };
    let error = pair.two.user_create(&second, event("user.create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Taken(name) if name == "aDA"));
    assert_eq!(pair.one.user_count().await.unwrap(), 1);
}

pub async fn only_one_of_two_is_first(pair: &Pair) {
    let (ada, grace) = (user("ada", Role::Admin), user("grace", Role::Admin));
    let (first, second) =
        tokio::join!(pair.one.user_create_first(&ada, event("setup.finish")), pair.two.user_create_first(&grace, event("setup.finish")));
    assert!(first.unwrap() ^ second.unwrap());
    assert_eq!(pair.one.user_count().await.unwrap(), 1);
    assert_eq!(actions(&pair.one).await, ["setup.finish"]);
}

pub async fn the_last_admin_stays(pair: &Pair) {
    let store = &pair.one;
    let (ada, grace) = (create(store, "ada", Role::Admin).await, create(store, "grace", Role::Admin).await);
    let viewer = create(store, "viewer", Role::Viewer).await;
    store.user_set_disabled(&grace.id, true, event("user.disable")).await.unwrap();
    let error = store.user_set_disabled(&ada.id, true, event("x")).await.unwrap_err();
    assert!(matches!(error, StoreError::LastAdmin));
    let error = store.user_set_role(&ada.id, Role::Operator, event("x")).await.unwrap_err();
    assert!(matches!(error, StoreError::LastAdmin));
    // What leaves her an administrator is no matter.
    store.user_set_role(&ada.id, Role::Admin, event("user.role")).await.unwrap();
    store.user_set_disabled(&viewer.id, true, event("user.disable")).await.unwrap();
    store.user_set_disabled(&grace.id, false, event("user.enable")).await.unwrap();
    store.user_set_role(&ada.id, Role::Operator, event("user.role")).await.unwrap();
}

pub async fn two_admins_cannot_remove_each_other_at_once(pair: &Pair) {
    let (ada, grace) = (create(&pair.one, "ada", Role::Admin).await, create(&pair.one, "grace", Role::Admin).await);
    let (first, second) = tokio::join!(
        pair.one.user_set_disabled(&ada.id, true, event("user.disable")),
        pair.two.user_set_role(&grace.id, Role::Viewer, event("user.role"))
    );
    assert!(first.is_ok() ^ second.is_ok());
    let refused = first.err().or(second.err());
    assert!(matches!(refused, Some(StoreError::LastAdmin)));
}

pub async fn odd_text_is_no_failure(pair: &Pair) {
    let store = &pair.one;
    for name in ["", "a\0b", "'; DROP TABLE users; --", "%", "\u{10ffff}"] {
        assert_eq!(store.user_by_name(name).await.unwrap(), None);
        assert_eq!(store.session_user(name, Timestamp(0)).await.unwrap(), None);
        assert_eq!(store.sessions(Some(name), Timestamp(0)).await.unwrap(), []);
        assert!(store.user_set_password(name, "x", event("user.password")).await.is_err());
        let target = name.to_owned();
        store.audit_append(AuditEvent { target, ..event("session.sign_in") }).await.unwrap();
    }
    assert_eq!(store.audit_read(1, 1).await.unwrap()[0].event.target, "a\u{fffd}b");
}
