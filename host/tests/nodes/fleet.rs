//! Many nodes, and one after the other a table.

use std::sync::atomic::Ordering;

use silverback::nodes::{Fleet, FleetOptions, Phase};

use super::support::{Gate, TestNode, World, options, state_of, url, within};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_nodes_follow_and_one_endpoint_s_change_is_small() {
    let mut nodes = Vec::new();
    for _ in 0..50 {
        nodes.push(TestNode::start().await);
    }
    let mut fleet = Fleet::new(FleetOptions {
        verify: FleetOptions::default().verify,
        ..options()
    });
    fleet.set_nodes(nodes.iter().map(TestNode::url));
    let mut world = World::new(200);
    let first = world.table();
    fleet.publish(first.clone());
    within("the first table", fleet.confirmed(first.digest())).await;
    let second = world.scale(17, 5);
    fleet.publish(second.clone());
    within("the second table", fleet.confirmed(second.digest())).await;
    for node in &nodes {
        assert_eq!(node.digest(), second.digest());
    }
    for state in fleet.states() {
        assert_eq!((state.epoch, state.commits), (2, 2), "{state:?}");
        assert!(state.last_push_bytes < 16 * 1024, "{state:?}");
        assert!(state.lag_ms.is_some(), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_come_during_a_push_go_together_in_the_next() {
    let node = TestNode::start().await;
    let gate = Gate::before(node.address).await;
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([url(gate.address)]);
    let mut world = World::new(10);
    fleet.publish(world.table());
    within("a request", async {
        while gate.requests.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut last = world.table();
    for pods in 1..100 {
        last = world.scale(0, pods);
        fleet.publish(last.clone());
    }
    gate.open.add_permits(1_000);
    within("the last table", fleet.confirmed(last.digest())).await;
    let commits = fleet.states()[0].commits;
    assert!(commits <= 2, "{commits} commits for 100 tables");
    assert_eq!(node.digest(), last.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go_and_the_others_notice_nothing() {
    let (a, b) = (TestNode::start().await, TestNode::start().await);
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([a.url()]);
    let mut world = World::new(10);
    let first = world.table();
    fleet.publish(first.clone());
    within("the first node", fleet.confirmed(first.digest())).await;
    fleet.set_nodes([a.url(), b.url()]);
    within("both nodes", fleet.confirmed(first.digest())).await;
    assert_eq!(b.digest(), first.digest());
    let of_a = |state: &&silverback::nodes::NodeState| state.url == a.url().to_string();
    assert_eq!(fleet.states().iter().find(of_a).map(|s| s.commits), Some(1));

    fleet.set_nodes([b.url()]);
    let second = world.scale(1, 1);
    fleet.publish(second.clone());
    within("the second node", fleet.confirmed(second.digest())).await;
    assert_eq!(a.digest(), first.digest(), "it is no node of ours any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_larger_than_a_body_go_in_pieces() {
    let node = TestNode::start().await;
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([node.url()]);
    let mut world = World::new(2);
    let large = world.scale(1, 120_000);
    fleet.publish(large.clone());
    within("a large table", fleet.confirmed(large.digest())).await;
    assert_eq!(node.digest(), large.digest());
    assert!(fleet.states()[0].last_push_bytes > 700_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_the_table_already_is_sent_nothing() {
    let node = TestNode::start().await;
    let world = World::new(100);
    for run in 0..2 {
        let mut fleet = Fleet::new(options());
        fleet.set_nodes([node.url()]);
        fleet.publish(world.table());
        let state = state_of(&fleet, |state| state.phase == Phase::Confirmed).await;
        assert_eq!(state.epoch, 1);
        assert_eq!(state.sent_bytes == 0, run == 1, "{state:?}");
    }
}
