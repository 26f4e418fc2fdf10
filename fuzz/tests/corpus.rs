//! What the fuzzers kept, given to their targets again: each file has once led somewhere new, or to a defect.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn nothing_that_was_kept_breaks_a_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("fuzz/corpus/{name}: {error}")) {
            let path = entry.expect("a folder of ours").path();
            let bytes = fs::read(&path).expect("a file of ours");
            // Shown where the target panics.
            println!("{}", path.display());
            target(&bytes);
            files += 1;
        }
        assert!(files > 0, "fuzz/corpus/{name} is empty");
    }
}

#[test]
fn each_folder_of_the_corpus_has_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders = fs::read_dir(corpus).expect("it is there").map(|entry| entry.expect("a folder of ours").file_name());
    let folders: BTreeSet<String> = folders.map(|name| name.into_string().expect("plain names")).collect();
    assert_eq!(folders, fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
