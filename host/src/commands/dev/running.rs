//! Everything that runs: translator, shared data, gateway; and how a change gets through it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use silverback_core::table::store::publish::{Published, pages_in_zone};
use silverback_emulator::{Eviction, Metrics, SharedStore, StoreOptions, WorkerOptions};

use super::config::Config;
use super::log::FilterLog;
use super::modules::{self, Module};
use super::names::Names;
use super::ports::{self, Ports};
use super::pull::Pull;
use super::stubs::{self, Addresses, Objects, Stubs, Substitution};
use super::{certificates, client_auth, conflicts, upstream_tls};
use crate::commands::Failure;
use crate::commands::answer::{self, Placeholders, Plugins};
use crate::dump::Dump;
use crate::gateway::{
    AccessHook, Certificates, EchoRegistry, Gateway, GatewayOptions, HostPattern, KeyPair,
    Listening, Monitor,
};
use crate::manifests::{self, Locator, ManifestSet};
use crate::object::ObjectKey;
use crate::offline;
use crate::problem::Problem;
use crate::publish::{EmulatorStore, Node, PushError};
use crate::skipped::{self, Skipped};
use crate::translator::{Applied, Compiler, Limits, Session, SessionError, TranslatorEngine};

/// Name of the zone, which the keys of the table begin with.
const ZONE: &str = "silverback";

/// All of it.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) set: ManifestSet,
    pub(super) dump: Arc<Dump>,
    /// Of the table in effect.
    pub(super) epoch: u64,
    pub(super) ports: Ports,
    /// Ports that are wanted for more than one thing.
    pub(super) conflicts: BTreeSet<String>,
    /// Ports that others have: tried again with each change.
    taken: BTreeSet<u16>,
    /// Endpoints that are echoes.
    pub(super) echoes: EchoRegistry,
    pub(super) substitutions: BTreeSet<Substitution>,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: BTreeSet<ObjectKey>,
    engine: TranslatorEngine,
    session: Session,
    node: Node<EmulatorStore>,
    pull: Option<Pull>,
    gateway: Gateway,
    /// What the translator has.
    objects: Objects,
    addresses: Addresses,
    /// What the translator says, without places.
    findings: BTreeMap<ObjectKey, Vec<Problem>>,
    refused: BTreeMap<ObjectKey, Problem>,
    /// What belongs to the table: certificates, plugin sets, names; JSON by id.
    entities: BTreeMap<String, String>,
    /// They have, since they were last looked at.
    entities_changed: bool,
    names: Names,
    /// The certificate for hosts of Ingress that have none.
    own: KeyPair,
    /// What the TLS ports were given, and what was wrong with it.
    secured: BTreeMap<u16, (Certificates, Vec<Problem>)>,
    /// TLS towards upstreams, and what was wrong with it.
    upstream_tls: (upstream_tls::Policies, Vec<Problem>),
    /// What is not as usual, for the start.
    pub(super) notes: Vec<String>,
}

/// What a change came to.
#[derive(Debug)]
pub(super) struct Effect {
    /// Objects with what became of them: `+`, `~` or `-`.
    pub(super) objects: Vec<(char, ObjectKey)>,
    /// None if the table is the same.
    pub(super) published: Option<Published>,
    /// From the first moment on to the table in effect.
    pub(super) latency: Duration,
    /// The part of it that was work.
    pub(super) work: Duration,
    /// Problems that were not there before.
    pub(super) problems: Vec<Problem>,
    /// By how many there are fewer, and how many there are now.
    pub(super) solved: (usize, usize),
    /// Substitutions that were not there before.
    pub(super) substitutions: Vec<Substitution>,
    /// Ports that are new or serve something else.
    pub(super) ports: Ports,
    /// Ports that are closed.
    pub(super) closed: Vec<u16>,
    /// Anything else that did not work.
    pub(super) errors: Vec<String>,
}

// === impl Running ===

impl Running {
    /// Starts everything.
    pub(super) fn start(
        config: Config,
        names: Names,
        on_access: Option<AccessHook>,
        metrics: Metrics,
        pull: Option<Pull>,
    ) -> Result<Self, Failure> {
        let set = manifests::load(&config.paths);
        if let Some(problem) = set.unreadable_path() {
            return Err(Failure::usage(crate::commands::Hinted::from(problem)));
        }
        let engine = TranslatorEngine::new(Compiler::Quick)?;
        let (filter, translator) = modules::compile_both(&engine, &config)?;
        let session = Session::start(translator, Limits::default(), &config.options)?;

        let store = StoreOptions::new().zone(ZONE, config.zone_bytes, Eviction::None);
        let store = SharedStore::new(store.strict(config.strict));
        let pages = pages_in_zone(config.zone_bytes);
        let node = Node::open(EmulatorStore(store.clone()), pages)?;

        let options = GatewayOptions {
            workers: config.workers,
            store,
            filter: WorkerOptions {
                strict: config.strict,
                root_id: ZONE.to_owned(),
                configuration: ports::filter_configuration(&ports::ports(
                    &config,
                    &Dump::default(),
                )),
                log: Arc::new(FilterLog),
                metrics,
                ..WorkerOptions::default()
            },
            on_access,
            ignore_plugins: config.ignore_plugins,
            limits: config.limits.clone(),
        };
        let gateway = Gateway::start(&filter, options)
            .map_err(|error| anyhow!("silverback.wasm does not start: {error}"))?;

        let own = certificates::self_signed(config.bind)
            .context("cannot make a certificate for Ingress")?;
        let mut running = Self {
            config,
            set: ManifestSet::default(),
            dump: Arc::default(),
            epoch: 0,
            ports: Ports::new(),
            conflicts: BTreeSet::new(),
            taken: BTreeSet::new(),
            echoes: EchoRegistry::new(),
            substitutions: BTreeSet::new(),
            problems: Vec::new(),
            ignored: BTreeSet::new(),
            engine,
            session,
            node,
            pull,
            gateway,
            objects: Objects::new(),
            addresses: Addresses::default(),
            findings: BTreeMap::new(),
            refused: BTreeMap::new(),
            entities: BTreeMap::new(),
            entities_changed: false,
            names,
            own,
            secured: BTreeMap::new(),
            upstream_tls: Default::default(),
            notes: Vec::new(),
        };
        let effect = running.change(set, Instant::now(), Instant::now())?;
        if let Some(error) = effect.errors.into_iter().next() {
            return Err(anyhow!("{error}").into());
        }
        if let Some(pull) = &running.pull {
            pull.serve().context("cannot answer pulls")?;
        }
        Ok(running)
    }

    /// Reads the manifests again and brings what is different into effect.
    pub(super) fn reload(&mut self, since: Instant) -> Result<Effect, Failure> {
        let begun = Instant::now();
        let set = manifests::load_again(&self.config.paths, &self.set);
        self.change(set, since, begun)
    }

    /// Puts another module in place. What another translator translates differently comes into
    /// effect.
    pub(super) fn replace(&mut self, module: Module) -> Result<Option<Published>, Failure> {
        match module {
            Module::Filter(filter) => {
                self.gateway.replace_filter(&filter)?;
                Ok(None)
            }
            Module::Translator(module) => {
                self.session.replace(module)?;
                let published = self.publish()?;
                self.show(&mut Vec::new())?;
                Ok(published)
            }
        }
    }

    /// What compiles translators for this session.
    pub(super) fn engine(&self) -> TranslatorEngine {
        self.engine.clone()
    }

    /// What the table does with a request; both are JSON.
    pub(super) fn explain(&mut self, request: &str) -> Result<String, SessionError> {
        let plugins = match self.config.ignore_plugins {
            true => Plugins::Ignored,
            false => Plugins::Refused,
        };
        let answer = self.session.explain(request)?;
        Ok(answer::complete(answer, &Placeholders::default(), plugins))
    }

    /// Where the gateway listens.
    pub(super) fn listening(&self) -> Vec<Listening> {
        self.gateway.listeners()
    }

    /// The gateway's counters.
    pub(super) fn monitor(&self) -> Monitor {
        self.gateway.monitor()
    }

    /// Whether the name of an ExternalName, `name:port`, could not be looked up.
    pub(super) fn is_unresolved(&self, name: &str) -> bool {
        let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
        self.names.has_failed(name)
    }

    /// Number of workers.
    pub(super) fn workers(&self) -> usize {
        self.gateway.workers()
    }

    /// Ends everything; requests in flight may finish. Returns how many connections were cut.
    pub(super) fn stop(self) -> usize {
        self.gateway.shutdown(self.config.drain).cut
    }

    fn change(
        &mut self,
        set: ManifestSet,
        since: Instant,
        begun: Instant,
    ) -> Result<Effect, Failure> {
        let mut objects = stubs::of(&set);
        let Stubs {
            substitutions,
            echoes,
        } = stubs::add(
            &mut objects,
            &self.config.backends,
            self.config.echo,
            &mut self.addresses,
        );
        // Before the table names them; and requests that came with the table before still go to those
        // that it named, until the next change.
        self.gateway.set_echo(echoes.and(&self.echoes));
        self.echoes = echoes;
        objects.extend(self.names.objects());

        let changed = self.apply(&objects)?;
        self.session.commit()?;
        let published = self.publish()?;
        let entities = std::mem::take(&mut self.entities_changed);
        if entities {
            self.names.set(self.wanted_names());
        }
        let latency = since.elapsed();
        let work = begun.elapsed();

        self.objects = objects;
        self.set = set;
        let new = substitutions.difference(&self.substitutions).cloned();
        let new = new.collect();
        self.substitutions = substitutions;
        let mut errors = Vec::new();
        let before = self.ports.clone();
        let taken = self.taken.clone();
        // A certificate can be for another host without the table.
        if published.is_some() || before.is_empty() || entities || !taken.is_empty() {
            self.show(&mut errors)?;
        }
        // A Secret can change without the table.
        self.secure(&self.ports.clone());
        self.secure_upstreams();
        let had = self.problems.len();
        let problems = self.look_for_problems();
        // One that only reads otherwise now is not solved.
        let solved = had.saturating_sub(self.problems.len());
        let mut ports = self.ports.clone();
        ports.retain(|number, port| {
            !self.taken.contains(number)
                && (before.get(number) != Some(port) || taken.contains(number))
        });
        let mut closed: Vec<u16> = before.keys().copied().collect();
        closed.retain(|number| !self.ports.contains_key(number));
        Ok(Effect {
            objects: changed,
            published,
            latency,
            work,
            problems,
            solved: (solved, self.problems.len()),
            substitutions: new,
            ports,
            closed,
            errors,
        })
    }

    /// Tells the translator what is different.
    fn apply(&mut self, objects: &Objects) -> Result<Vec<(char, ObjectKey)>, Failure> {
        let mut changed = Vec::new();
        let gone: Vec<_> = self
            .objects
            .keys()
            .filter(|key| !objects.contains_key(*key))
            .cloned()
            .collect();
        for key in gone {
            self.session.delete(&key)?;
            self.refused.remove(&key);
            if !self.ignored.remove(&key) {
                changed.push(('-', key));
            }
        }
        for (key, json) in objects {
            let old = self.objects.get(key);
            if old.is_some_and(|old| old == json) {
                continue;
            }
            self.refused.remove(key);
            self.ignored.remove(key);
            match self.session.apply(key, json)? {
                Applied::Ignored => {
                    self.ignored.insert(key.clone());
                    continue;
                }
                Applied::Refused(problem) => {
                    // The file says what it is called, even if nothing may be called so.
                    let problem = problem.about(key.clone());
                    self.refused.insert(key.clone(), problem);
                }
                Applied::Stored | Applied::Unchanged | Applied::SetAside(_) => {}
            }
            changed.push((if old.is_some() { '~' } else { '+' }, key.clone()));
        }
        Ok(changed)
    }

    /// Publishes what the commits changed.
    fn publish(&mut self) -> Result<Option<Published>, Failure> {
        let changes = self.session.take_changes()?;
        self.findings.extend(changes.problems.clone());
        self.findings.retain(|_, problems| !problems.is_empty());
        self.entities_changed |= !changes.entities.is_empty();
        self.entities.extend(changes.entities.clone());
        self.entities.retain(|_, json| !json.is_empty());
        // Before this machine's own node: whether that one has room is nothing to the others.
        if let Some(pull) = &mut self.pull {
            pull.publish(&changes);
        }
        let published = match self.node.push(&changes) {
            Err(error) if PushError::wants_everything(&error) => {
                self.session.rewind()?;
                let everything = self.session.take_changes()?;
                self.node.push(&everything)?
            }
            pushed => pushed?,
        };
        if let Some(published) = &published {
            self.epoch = published.epoch;
        }
        Ok(published)
    }

    /// The names that Services are looked up by.
    fn wanted_names(&self) -> BTreeSet<String> {
        let name = |json: &String| {
            let entity: serde_json::Value = serde_json::from_str(json).ok()?;
            let is_name = entity.get("type")?.as_str()? == "name";
            is_name.then(|| Some(entity.get("name")?.as_str()?.to_owned()))?
        };
        self.entities.values().filter_map(name).collect()
    }

    /// Looks at the new table: for people, and for the ports to listen at.
    fn show(&mut self, errors: &mut Vec<String>) -> Result<(), Failure> {
        self.dump = Arc::new(Dump::parse(&self.session.dump()?)?);
        let ports = ports::ports(&self.config, &self.dump);
        let conflicts = conflicts::conflicts(&self.config, &self.dump);
        // What there is at the start is said there.
        if !self.ports.is_empty() {
            errors.extend(conflicts.difference(&self.conflicts).cloned());
        }
        self.conflicts = conflicts;
        if ports == self.ports && self.taken.is_empty() {
            return Ok(());
        }
        self.gateway
            .reconfigure(&ports::filter_configuration(&ports))?;
        // Before anybody can connect.
        self.secure(&ports);
        let listeners = ports::listeners(self.config.bind, &ports);
        let mut ports = ports;
        let taken = std::mem::take(&mut self.taken);
        if let Err(failed) = self.gateway.set_listeners(&listeners) {
            for error in &failed.0 {
                let message = ports::explain(&self.config, &ports, error);
                let number = error.addr.port();
                // Ingress has another port, which is enough to begin with.
                if ports::only_ingress_over_tls(&ports, number) {
                    self.config.ingress_tls_port = 0;
                    ports.remove(&number);
                    self.notes.push(format!("no TLS for Ingress: {message}"));
                } else {
                    self.taken.insert(number);
                    // It was said before.
                    if !taken.contains(&number) {
                        errors.push(message);
                    }
                }
            }
        }
        self.ports = ports;
        Ok(())
    }

    /// Gives the TLS ports their certificates.
    fn secure(&mut self, ports: &Ports) {
        let mut secured = BTreeMap::new();
        for (number, port) in ports.iter().filter(|(_, port)| port.tls) {
            let (mut by_host, mut problems) =
                certificates::certificates(&self.objects, &port.served);
            if port.ingress {
                let own = || vec![self.own.clone()];
                by_host.entry(HostPattern::Any).or_insert_with(own);
            }
            let entities = self.entities.values();
            let (client_auth, asked) = client_auth::of_port(&self.objects, entities, port);
            problems.extend(asked);
            let new = Certificates {
                by_host,
                client_auth,
                listeners: port.hostnames.clone(),
            };
            let old = self.secured.get(number).map(|(old, _)| old);
            if old != Some(&new)
                && let Err(error) = self.gateway.set_certificates(*number, &new)
            {
                // Hosts without a certificate: the problems say why.
                tracing::debug!(%error, port = number, "not all hosts have a certificate");
            }
            secured.insert(*number, (new, problems));
        }
        self.secured = secured;
    }

    /// Gives the gateway the TLS policies that plans name.
    fn secure_upstreams(&mut self) {
        let found = upstream_tls::policies(&self.objects, self.entities.values());
        if found.0 != self.upstream_tls.0
            && let Err(error) = self.gateway.set_upstream_tls(&found.0)
        {
            // Requests that need one of these are answered 502.
            self.notes.push(error.to_string());
            tracing::error!(%error, "TLS towards upstreams");
        }
        self.upstream_tls = found;
    }

    /// Objects of kinds that are not read.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        let objects = self.set.objects();
        let unread = self.ignored.iter().filter_map(|key| objects.get(key));
        unread.map(|object| Skipped::unread(object)).collect()
    }

    /// All problems with places; returns those that are new.
    fn look_for_problems(&mut self) -> Vec<Problem> {
        let objects = self.set.objects();
        let mut problems = self.set.problems();
        problems.extend(self.refused.values().cloned());
        problems.extend(self.findings.values().flatten().cloned());
        let mut secured: Vec<Problem> = Vec::new();
        for problem in self.secured.values().flat_map(|(_, found)| found) {
            // A Secret may serve several ports and listeners.
            if !secured.contains(problem) {
                secured.push(problem.clone());
            }
        }
        problems.extend(secured);
        problems.extend(self.upstream_tls.1.iter().cloned());
        problems.extend(self.names.problems(&self.objects));
        let unread = self.ignored.iter().filter_map(|key| objects.get(key));
        problems.extend(unread.filter_map(|object| skipped::problem(object)));
        let mut locator = Locator::default();
        for problem in &mut problems {
            self.set.place(problem, &objects, &mut locator);
        }
        offline::sort(&mut problems);
        let known = |problem: &&Problem| {
            !self.problems.iter().any(|old| {
                old.code == problem.code
                    && old.object == problem.object
                    && old.field == problem.field
                    && old.message == problem.message
            })
        };
        let new = problems.iter().filter(known).cloned().collect();
        self.problems = problems;
        new
    }
}
