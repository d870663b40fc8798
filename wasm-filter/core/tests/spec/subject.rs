//! What is tested: objects through the translator, requests through the matcher.

use serde_json::Value;
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::segment::SegmentView;
use silverback_core::table::store::view::{Segments, Unreadable};
use silverback_core::translate::{Options, Translator};

use crate::ask::Ask;
use crate::oracle::Classes;

/// How many sets of objects are tried by default.
pub(crate) const SETS: u64 = 600;

/// A table in memory.
pub(crate) struct Subject {
    segments: Vec<Vec<u8>>,
    pub(crate) problems: Vec<String>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Proxy(Box<OwnedPlan>, Vec<ResponseEdit>),
    /// Status and headers.
    Reply(u16, Vec<(String, String)>),
}

struct AskHeaders<'a>(&'a Ask);

impl Headers for AskHeaders<'_> {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let mut all = self.0.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        judge(first.map(|(_, value)| value.as_slice()))
    }
}

impl Segments for Subject {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let bytes = self.segments.get(index as usize).map_or(&[][..], |b| b);
        SegmentView::new(kind(index), bytes).ok_or(Unreadable::Segment(index))
    }
}

pub(crate) fn options(classes: &Classes) -> Options {
    Options {
        accept_all_classes: classes.all,
        ingress_class: classes.ingress.clone(),
        controller_name: classes.controller.clone(),
        ..Options::default()
    }
}

impl Subject {
    pub(crate) fn new(objects: &[Value], classes: &Classes) -> Self {
        let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
        Self::of_texts(texts.iter().map(String::as_bytes), classes)
    }

    pub(crate) fn of_texts<'t>(
        texts: impl IntoIterator<Item = &'t [u8]>,
        classes: &Classes,
    ) -> Self {
        let mut translator = Translator::new(options(classes));
        for text in texts {
            translator.apply(text);
        }
        translator.commit();
        Self::of(&translator)
    }

    pub(crate) fn of(translator: &Translator) -> Self {
        let table = translator.table();
        let segment = |index| {
            let segment = table.segment(index);
            segment
                .map(|segment| segment.bytes.clone())
                .unwrap_or_default()
        };
        let problems = translator.problems();
        Self {
            segments: (0..SEGMENTS).map(segment).collect(),
            problems: problems
                .flat_map(|(_, problems)| problems.iter().map(ToString::to_string))
                .collect(),
        }
    }

    /// The answer of a worker that has not seen a request.
    pub(crate) fn answer(&self, ask: &Ask, spin: u64) -> Seen {
        self.answer_with(ask, spin, &mut Scratch::default())
    }

    /// The answer of a worker.
    pub(crate) fn answer_with(&self, ask: &Ask, spin: u64, scratch: &mut Scratch) -> Seen {
        let info = RequestInfo {
            tls: ask.tls,
            host: &ask.host,
            path: &ask.target,
            method: &ask.method,
            sni: ask.sni.as_bytes(),
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: ask.ingress,
            listener: ask.listener,
        };
        let headers = AskHeaders(ask);
        match answer(self, 7, entry, &info, &headers, Spin(spin), scratch) {
            Ok(Answer::Proxy) => {
                let plan = OwnedPlan::decode(&scratch.plan).expect("a plan");
                Seen::Proxy(Box::new(plan), scratch.response.clone())
            }
            Ok(Answer::Reply(reply)) => {
                let headers = scratch.headers.iter();
                let headers = headers.map(|(name, value)| ((*name).to_owned(), value.clone()));
                Seen::Reply(reply.status(), headers.collect())
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
