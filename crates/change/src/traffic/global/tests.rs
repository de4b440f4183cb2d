use super::*;
use crate::traffic::{Bounds, FlowDirection, STEP};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn flow(backend: &str) -> Flow {
    Flow {
        mesh: "shop".into(),
        route: None,
        destination: "redis".into(),
        direction: FlowDirection::Outbound,
        backend: Some(backend.into()),
    }
}

/// A control plane of the test.
struct Plane {
    name: Arc<str>,
    own: Traffic,
    everywhere: Option<GlobalTraffic>,
}

impl Plane {
    fn new(name: &str, since: i64) -> Self {
        Self { name: name.into(), own: Traffic::new(Bounds::default(), at(since)), everywhere: None }
    }

    /// A proxy that started with the world has opened so many connections to each backend, and one lives at each.
    fn report(&mut self, proxy: &str, second: i64, opened: [u64; 2]) {
        self.own.step(at(second));
        let rows = ["v1", "v2"].into_iter().zip(opened).map(|(backend, opened)| {
            let counts = Counts { opened, active: 1, ..Counts::default() };
            (flow(backend), row(Some(0.5), &counts))
        });
        let report = Report { started: at(0), is_first: false, rows: rows.collect(), left_out: 0 };
        self.own.take(&ProxyId::dataplane("shop", proxy), report, at(second)).unwrap();
    }

    fn hear(&mut self, others: &[&Plane], second: i64) {
        // reports arrive as they were written
        let told = |other: &&Plane| {
            let text = serde_json::to_string(&other.own.told()).unwrap();
            (Arc::clone(&other.name), serde_json::from_str(&text).unwrap())
        };
        let everywhere = self.everywhere.get_or_insert_with(|| GlobalTraffic::beginning_with(&self.own));
        everywhere.hear(&self.own, others.iter().map(told).collect(), at(second));
    }

    fn page(&mut self, by: GroupBy, second: i64) -> TrafficPage {
        let question = TrafficQuestion { by, size: 10, ..TrafficQuestion::default() };
        self.own.step(at(second));
        self.everywhere.as_mut().unwrap().page(&self.own, &question, at(second))
    }
}

fn tell_each_other(a: &mut Plane, b: &mut Plane, second: i64) {
    a.own.step(at(second));
    b.own.step(at(second));
    let (of_a, of_b) = (Plane { everywhere: None, own: a.own.clone(), name: Arc::clone(&a.name) }, &*b);
    a.hear(&[of_b], second);
    b.hear(&[&of_a], second);
}

#[test]
fn whoever_is_asked_says_the_same() {
    let (mut a, mut b) = (Plane::new("cp-1", 0), Plane::new("cp-2", 0));
    let step = STEP.as_secs() as i64;
    for turn in 1..=6u64 {
        let second = step * turn as i64;
        a.report("web-1", second, [30 * turn, 10 * turn]);
        b.report("web-2", second, [10 * turn, 10 * turn]);
        tell_each_other(&mut a, &mut b, second);
    }
    let last = step * 7;
    tell_each_other(&mut a, &mut b, last);
    for by in [GroupBy::Flow, GroupBy::Proxy] {
        let (of_a, of_b) = (a.page(by, last), b.page(by, last));
        assert_eq!(of_a.items, of_b.items, "{by:?}");
        assert_eq!((of_a.total, of_a.reporting, of_a.control_planes), (2, 2, 2));
        assert_eq!((of_b.total, of_b.reporting, of_b.control_planes), (2, 2, 2));
    }
    let rows = a.page(GroupBy::Flow, last).items;
    let seen: Vec<_> = rows.iter().map(|row| (row.counts.opened, row.counts.active, row.proxies)).collect();
    assert_eq!(seen, [(240, 2, 2), (120, 2, 2)]);
    assert_eq!(rows[0].seen, Some(2.0 / 3.0), "40 of 60 in each step");
}

#[test]
fn what_lived_at_one_that_is_gone_is_gone_and_what_it_counted_stays() {
    let (mut a, mut b) = (Plane::new("cp-1", 0), Plane::new("cp-2", 0));
    a.report("web-1", 1, [5, 0]);
    b.report("web-2", 1, [7, 0]);
    tell_each_other(&mut a, &mut b, 10);
    assert_eq!(a.page(GroupBy::Flow, 11).items[0].counts.active, 2);
    a.hear(&[], 20);
    let page = a.page(GroupBy::Flow, 21);
    let row = &page.items[0];
    assert_eq!((row.counts.opened, row.counts.active, row.proxies), (12, 1, 1));
    assert_eq!((page.reporting, page.control_planes), (1, 1));
    // it was only delayed
    a.hear(&[&b], 30);
    assert_eq!(a.page(GroupBy::Flow, 31).items[0].counts.opened, 12, "nothing is counted twice");
}

#[test]
fn what_was_counted_before_somebody_came_is_no_burst() {
    let mut a = Plane::new("cp-1", 0);
    a.report("web-1", 1, [1_000_000, 0]);
    let mut late = Plane::new("cp-2", 100);
    late.hear(&[&a], 101);
    late.page(GroupBy::Flow, 110);
    let row = &late.page(GroupBy::Flow, 120).items[0];
    assert_eq!((row.counts.opened, row.counts.active), (0, 1), "sums begin with who is asked");
    a.report("web-1", 121, [1_000_050, 0]);
    late.hear(&[&a], 122);
    let row = late.page(GroupBy::Flow, 130).items.remove(0);
    assert_eq!((row.counts.opened, row.pace.unwrap().opened > 0.0), (50, true));
}
