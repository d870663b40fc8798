//! Plans that need Kong plugins.

use crate::backend::Backend;
use crate::support::{Proxy, plan};

#[test]
fn a_rule_with_plugins_is_refused_unless_told_to_ignore_them() {
    for (ignore, status) in [(false, 500), (true, 200)] {
        let backend = Backend::saying("ok");
        let proxy = Proxy::with(|options| options.ignore_plugins = ignore);
        let endpoints = [backend.addr];
        let get = plan(&endpoints).change(|plan| plan.plugin_set = 1).get();
        let reply = proxy.send(&get);
        assert_eq!(reply.status, status);
        assert_eq!(backend.count(), usize::from(ignore));
        if !ignore {
            let json = reply.json();
            let message = json["message"].as_str().unwrap();
            assert!(message.contains("Kong plugins"), "{message}");
            assert!(message.contains("--ignore-plugins"), "{message}");
        }
    }
}
