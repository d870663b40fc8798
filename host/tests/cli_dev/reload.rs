//! Manifests that change while it runs.

use std::fs;
use std::path::Path;

use crate::support::{Dev, MANIFESTS, directory, until};

/// The shop at another path.
fn at(path: &str) -> String {
    MANIFESTS.replace("/cart", path)
}

/// Waits until the shop's Ingress has changed, and asks it.
fn follows(dev: &mut Dev, sign: &str, path: &str) {
    let line = dev.wait_for(&format!("{sign} Ingress shop/shop"));
    assert!(line.contains("in effect after"), "{line}");
    assert_eq!(dev.status(path), "200", "{path}");
}

#[test]
fn requests_are_proxied_and_changes_follow() {
    let root = directory();
    let file = root.path().join("shop.yaml");
    let mut dev = Dev::start(root.path(), &[]);
    for said in [
        "shop/web has no endpoints: an echo answers",
        "curl -i -H 'Host: shop.example.com'",
    ] {
        assert!(dev.seen.contains(said), "{}", dev.seen);
    }
    let answer = dev.get("shop.example.com", "/cart/1");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-silverback-echo: 1"), "{answer}");
    assert!(answer.contains(r#""service":"web""#), "{answer}");
    assert_eq!(dev.status("/other"), "404");

    fs::write(&file, at("/other")).expect("written");
    follows(&mut dev, "~", "/other");
    assert_eq!(dev.status("/cart"), "404");

    // A broken file changes nothing but what is said: why, and where.
    fs::write(&file, format!("{}a: [", at("/never"))).expect("written");
    let line = dev.wait_for("Unparsable");
    let kept = "what it held before stays in effect";
    assert!(
        line.contains("not valid YAML") && line.contains(kept),
        "{line}"
    );
    let line = dev.wait_for("-->");
    assert!(line.contains(&format!("{}:15:", file.display())), "{line}");
    assert_eq!(dev.status("/other"), "200");
    fs::write(&file, at("/mended")).expect("written");
    follows(&mut dev, "~", "/mended");
    dev.wait_for("1 problem solved, none left");

    // A file that is gone takes its objects along, and brings them back.
    fs::remove_file(&file).expect("removed");
    let line = dev.wait_for("- Ingress shop/shop");
    assert!(line.contains("in effect after"), "{line}");
    assert_eq!(dev.status("/mended"), "404");
    fs::write(&file, at("/back")).expect("written");
    follows(&mut dev, "+", "/back");
}

#[test]
fn editors_and_directories_that_come_and_go_are_followed() {
    let root = tempfile::tempdir().expect("a directory");
    let manifests = root.path().join("manifests");
    fs::create_dir(&manifests).expect("created");
    fs::write(manifests.join("shop.yaml"), MANIFESTS).expect("written");
    let mut dev = Dev::start(&manifests, &[]);

    // Written elsewhere, then moved over the old one.
    let temporary = manifests.join(".shop.yaml.swp");
    fs::write(&temporary, at("/moved")).expect("written");
    fs::rename(&temporary, manifests.join("shop.yaml")).expect("moved");
    follows(&mut dev, "~", "/moved");

    // Directories in a directory that was not there.
    let deep = manifests.join("more/and/more");
    fs::create_dir_all(&deep).expect("created");
    let second = at("/second")
        .replace("name: shop,", "name: second,")
        .replace("name: web, namespace", "name: other, namespace");
    fs::write(deep.join("second.yaml"), &second).expect("written");
    dev.wait_for("+ Ingress shop/second");
    assert_eq!(dev.status("/second"), "200");
    fs::write(
        deep.join("second.yaml"),
        second.replace("/second", "/third"),
    )
    .expect("written");
    dev.wait_for("~ Ingress shop/second");
    assert_eq!(dev.status("/third"), "200");

    // The directory itself goes: as long as it is gone everything stays.
    fs::rename(&manifests, root.path().join("away")).expect("moved");
    dev.wait_for("what it held before stays in effect");
    assert_eq!(
        (dev.status("/moved"), dev.status("/third")),
        ("200".into(), "200".into())
    );
    // Another one in its place is followed as the first was.
    fs::create_dir(&manifests).expect("created");
    fs::write(manifests.join("shop.yaml"), at("/new")).expect("written");
    until("new directory", || dev.status("/new") == "200");
    fs::write(manifests.join("shop.yaml"), at("/newer")).expect("written");
    follows(&mut dev, "~", "/newer");
    assert_eq!(dev.status("/third"), "404");
}

#[test]
fn a_directory_is_followed_whatever_it_is_called_and_whatever_it_is_in() {
    let root = tempfile::tempdir().expect("a directory");
    let manifests = root.path().join("app/manifests");
    fs::create_dir_all(&manifests).expect("created");
    fs::write(manifests.join("shop.yaml"), MANIFESTS).expect("written");
    let mut dev = Dev::start(&manifests, &[]);

    // With a dot in its name, moved in and out.
    let (away, there) = (root.path().join("away"), manifests.join("shop.example.com"));
    fs::create_dir(&away).expect("created");
    let second = at("/second")
        .replace("name: shop,", "name: second,")
        .replace("name: web, namespace", "name: other, namespace");
    fs::write(away.join("second.yaml"), &second).expect("written");
    fs::rename(&away, &there).expect("moved");
    dev.wait_for("+ Ingress shop/second");
    fs::rename(&there, &away).expect("moved");
    dev.wait_for("- Ingress shop/second");

    // The directory that it is in goes, and another one takes its place.
    fs::rename(root.path().join("app"), root.path().join("old")).expect("moved");
    dev.wait_for("what it held before stays in effect");
    assert_eq!(dev.status("/cart"), "200");
    fs::create_dir_all(&manifests).expect("created");
    fs::write(manifests.join("shop.yaml"), at("/new")).expect("written");
    until("new directory", || dev.status("/new") == "200");
    fs::write(manifests.join("shop.yaml"), at("/newer")).expect("written");
    until("its file", || dev.status("/newer") == "200");
}

#[test]
fn a_file_that_is_written_slowly_keeps_what_it_held() {
    let root = directory();
    let file = root.path().join("shop.yaml");
    let mut dev = Dev::start(root.path(), &[]);
    fs::write(&file, "").expect("written");
    let line = dev.wait_for("the file is empty");
    assert!(
        line.contains("what it held before stays in effect"),
        "{line}"
    );
    fs::write(&file, "apiVersion: networki").expect("written");
    dev.wait_for("NotAnObject");
    assert_eq!(dev.status("/cart"), "200");
    fs::write(&file, at("/whole")).expect("written");
    follows(&mut dev, "~", "/whole");
    // Whoever means it says so.
    fs::write(&file, "# nothing\n").expect("written");
    dev.wait_for("- Ingress shop/shop");
}

#[cfg(unix)]
#[test]
fn what_a_link_to_a_directory_leads_to_is_followed() {
    let root = tempfile::tempdir().expect("a directory");
    let (manifests, release) = (root.path().join("manifests"), root.path().join("v1.1"));
    for directory in [&manifests, &release] {
        fs::create_dir(directory).expect("created");
    }
    fs::write(release.join("shop.yaml"), MANIFESTS).expect("written");
    std::os::unix::fs::symlink("../v1.1", manifests.join("current")).expect("linked");
    let mut dev = Dev::start(&manifests, &[]);
    assert_eq!(dev.status("/cart"), "200");
    fs::write(release.join("shop.yaml"), at("/edited")).expect("written");
    follows(&mut dev, "~", "/edited");
}

#[cfg(unix)]
#[test]
fn kubernetes_swaps_a_volume_under_files_and_directories() {
    use std::os::unix::fs::symlink;

    let volume = tempfile::tempdir().expect("a directory");
    let volume = volume.path();
    // As the kubelet writes a ConfigMap: a new directory, and a link to it that is moved.
    let write = |version: &str, path: &str| {
        fs::create_dir(volume.join(version)).expect("created");
        fs::write(volume.join(version).join("shop.yaml"), at(path)).expect("written");
        symlink(version, volume.join("..data_tmp")).expect("linked");
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("moved");
    };
    write("..1", "/one");
    symlink("..data/shop.yaml", volume.join("shop.yaml")).expect("linked");
    let mut directory = Dev::start(volume, &[]);
    let mut file = Dev::start(&volume.join("shop.yaml"), &[]);
    let gone = |version: &str| fs::remove_dir_all(volume.join(version)).expect("removed");
    for (version, before, path) in [("..2", "..1", "/two"), ("..3", "..2", "/three")] {
        write(version, path);
        gone(before);
        for dev in [&mut directory, &mut file] {
            follows(dev, "~", path);
        }
    }

    // A link to a directory of releases, as deployments swap it.
    let root = tempfile::tempdir().expect("a directory");
    let link = |release: &Path| {
        let new = root.path().join("new");
        symlink(release, &new).expect("linked");
        fs::rename(&new, root.path().join("current")).expect("moved");
    };
    for release in ["r1", "r2"] {
        fs::create_dir(root.path().join(release)).expect("created");
        let text = at(&format!("/{release}"));
        fs::write(root.path().join(release).join("shop.yaml"), text).expect("written");
    }
    link(Path::new("r1"));
    let mut dev = Dev::start(&root.path().join("current"), &[]);
    link(Path::new("r2"));
    follows(&mut dev, "~", "/r2");
    fs::write(root.path().join("r2/shop.yaml"), at("/edited")).expect("written");
    follows(&mut dev, "~", "/edited");
}
