//! Kubernetes objects, one JSON text a line.

use silverback_core::translate::{Applied, Options, Translator};

fn translator() -> Translator {
    Translator::new(Options {
        accept_all_classes: true,
        ..Options::default()
    })
}

pub fn run(data: &[u8]) {
    let mut translator = translator();
    let empty = translator.table().root_digest();
    let mut keys = Vec::new();
    for line in data.split(|b| *b == b'\n') {
        match translator.apply(line) {
            Applied::Stored(key) | Applied::Unchanged(key) => keys.push(key),
            Applied::Refused(problem) => assert!(!problem.message.is_empty()),
            Applied::Ignored { .. } => {}
        }
    }
    translator.commit();
    let digest = translator.table().root_digest();
    let _ = translator
        .dump_json()
        .expect("what was written can be read");
    for (_, problems) in translator.problems() {
        assert!(problems.iter().all(|problem| !problem.message.is_empty()));
    }

    // The same objects in another order, with commits in between, are the same table.
    keys.sort();
    if keys.windows(2).all(|pair| pair[0] != pair[1]) {
        let mut other = self::translator();
        for line in data.split(|b| *b == b'\n').rev() {
            other.apply(line);
            other.commit();
        }
        assert_eq!(other.table().root_digest(), digest);
    }

    for key in &keys {
        translator.delete(key);
    }
    translator.commit();
    assert_eq!(
        translator.table().root_digest(),
        empty,
        "nothing is left behind"
    );
}
