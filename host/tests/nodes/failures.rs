//! Nodes that are away, restarted, full, or of somebody else.

use silverback::nodes::{Fleet, FleetOptions, Phase};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::support::{TestNode, World, failed, options, state_of, url, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_heals_by_itself() {
    let node = TestNode::start().await;
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([node.url()]);
    let table = World::new(50).table();
    fleet.publish(table.clone());
    within("the table", fleet.confirmed(table.digest())).await;
    let address = node.stop().await;
    let node = TestNode::start_at(address).await;
    within("the table again", async {
        while node.digest() != table.digest() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_holds_up_no_other_and_comes_back() {
    let (away, here) = (TestNode::start().await, TestNode::start().await);
    let mut fleet = Fleet::new(options());
    let away_url = away.url();
    let address = away.stop().await;
    fleet.set_nodes([away_url.clone(), here.url()]);
    let mut world = World::new(10);
    fleet.publish(world.table());
    let state = failed(&fleet).await;
    assert_eq!(state.url, away_url.to_string());
    assert!(state.error.starts_with("cannot connect"), "{state:?}");
    assert!(state.hint.contains("Admin API"), "{state:?}");
    let last = world.scale(3, 9);
    fleet.publish(last.clone());
    state_of(&fleet, |state| {
        state.phase == Phase::Confirmed && state.root.0 == last.digest()
    })
    .await;
    assert_eq!(here.digest(), last.digest());

    let away = TestNode::start_at(address).await;
    within("both", fleet.confirmed(last.digest())).await;
    assert_eq!(away.digest(), last.digest());
    assert!(fleet.states().iter().all(|state| state.error.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_installation_is_left_alone_until_it_is_adopted() {
    let node = TestNode::start().await;
    let ours = World::new(3).table();
    let theirs = World::new(4).table();
    let mut other = Fleet::new(FleetOptions {
        publisher: 8,
        ..options()
    });
    other.set_nodes([node.url()]);
    other.publish(theirs.clone());
    within("their table", other.confirmed(theirs.digest())).await;
    drop(other);

    let mut fleet = Fleet::new(options());
    fleet.set_nodes([node.url()]);
    fleet.publish(ours.clone());
    let state = failed(&fleet).await;
    assert!(state.error.contains("another publisher"), "{state:?}");
    assert!(state.hint.contains("adopt"), "{state:?}");
    assert_eq!(node.digest(), theirs.digest());
    drop(fleet);

    let mut fleet = Fleet::new(FleetOptions {
        adopt: true,
        ..options()
    });
    fleet.set_nodes([node.url()]);
    fleet.publish(ours.clone());
    within("our table", fleet.confirmed(ours.digest())).await;
    assert_eq!(node.digest(), ours.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_of_one_installation_end_at_a_table_of_theirs() {
    let node = TestNode::start().await;
    let (mut a, mut b) = (Fleet::new(options()), Fleet::new(options()));
    a.set_nodes([node.url()]);
    b.set_nodes([node.url()]);
    let mut world = World::new(5);
    for pods in 1..20 {
        a.publish(world.scale(0, pods));
        b.publish(world.scale(1, pods));
    }
    let last = world.table();
    a.publish(last.clone());
    b.publish(last.clone());
    within("one of them", a.confirmed(last.digest())).await;
    within("the other", b.confirmed(last.digest())).await;
    assert_eq!(node.digest(), last.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_fit_is_reported_and_a_smaller_one_heals_it() {
    let node = TestNode::with(8).await;
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([node.url()]);
    let mut world = World::new(2);
    fleet.publish(world.scale(0, 40_000));
    let state = failed(&fleet).await;
    assert!(state.error.contains("pages are needed"), "{state:?}");
    assert!(state.hint.contains("a larger zone"), "{state:?}");
    let small = world.scale(0, 3);
    fleet.publish(small.clone());
    within("a small table", fleet.confirmed(small.digest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_no_node_is_said() {
    for (answer, error, hint) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 23\r\n\r\n{\"message\":\"Not found\"}",
            "HTTP 404",
            "plugins = bundled,silverback",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP 401",
            "--kong-admin-token-file",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "without an answer of the plugin: hello",
            "Kong's Admin API",
        ),
        (
            "SSH-2.0-OpenSSH\r\n",
            "the connection broke",
            "Kong's Admin API",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut first = [0; 1];
                let _ = stream.peek(&mut first).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let mut fleet = Fleet::new(options());
        fleet.set_nodes([url(address)]);
        fleet.publish(World::new(1).table());
        let state = failed(&fleet).await;
        assert!(state.error.contains(error), "{state:?}");
        assert!(state.hint.contains(hint), "{state:?}");
        server.abort();
    }
}
