use model::searches::SavedSearch;

use super::*;

fn search(id: &str, name: &str) -> SavedSearch {
    SavedSearch { id: id.to_owned(), name: name.to_owned(), query: format!("search={id}"), created: Timestamp(7), used: None }
}

pub async fn saved_ones_are_their_owners(pair: &Pair) {
    let (one, two) = (&pair.one, &pair.two);
    let (ada, grace) = (create(one, "ada", Role::Admin).await, create(one, "grace", Role::Viewer).await);
    one.search_save(&ada.id, &search("1", "Zwei"), event("search.save")).await.unwrap();
    one.search_save(&ada.id, &search("2", "eins"), event("search.save")).await.unwrap();
    one.search_save(&grace.id, &search("3", "eins"), event("search.save")).await.unwrap();
    let taken = two.search_save(&ada.id, &search("4", "eins"), event("search.save")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken(name) if name == "eins"));
    one.search_used(&ada.id, "2", Timestamp(9)).await.unwrap();
    // Somebody else's are out of reach.
    one.search_used(&ada.id, "3", Timestamp(9)).await.unwrap();
    assert!(!one.search_delete(&ada.id, "3", event("search.delete")).await.unwrap());
    let expected = [SavedSearch { used: Some(Timestamp(9)), ..search("2", "eins") }, search("1", "Zwei")];
    assert_eq!(two.searches(&ada.id).await.unwrap().saved, expected);
    assert_eq!(two.searches(&grace.id).await.unwrap().saved, [search("3", "eins")]);
    assert!(two.search_delete(&ada.id, "2", event("search.delete")).await.unwrap());
    assert!(!two.search_delete(&ada.id, "2", event("search.delete")).await.unwrap());
    assert_eq!(one.searches(&ada.id).await.unwrap().saved, [search("1", "Zwei")]);
    assert_eq!(actions(two).await[2..], ["search.save", "search.save", "search.save", "search.delete"]);
}

pub async fn made_ones_stand_once_and_the_newest_stay(pair: &Pair) {
    let (one, two) = (&pair.one, &pair.two);
    let (ada, grace) = (create(one, "ada", Role::Admin).await, create(one, "grace", Role::Viewer).await);
    // Longer than what Postgres takes into an index.
    let long = "search=".to_owned() + &"x".repeat(6_000);
    for (at, query) in [(1, "search=a"), (2, "search=b"), (3, &long), (4, "search=a"), (5, "search=c")] {
        one.search_made(&ada.id, query, Timestamp(at), 3).await.unwrap();
    }
    one.search_made(&grace.id, "search=a", Timestamp(6), 3).await.unwrap();
    let recent: Vec<_> = two.searches(&ada.id).await.unwrap().recent.into_iter().map(|one| (one.query, one.at.0)).collect();
    assert_eq!(recent, [("search=c".to_owned(), 5), ("search=a".to_owned(), 4), (long, 3)]);
    assert_eq!(two.searches(&grace.id).await.unwrap().recent.len(), 1);
    assert_eq!(actions(two).await, ["user.create", "user.create"]);
}
