//! Where metrics are declared and kept. A metric is declared once, as data; documentation and checks come from the declaration.
use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises; begins anew with the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How many samples were at most so large, for each of these bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// `orderstream_<what>_<unit>`.
    pub name: &'static str,
    pub kind: Kind,
    /// What a value counts, in words: `seconds`, `records`.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    /// A whole sentence.
    pub says: &'static str,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// The registry of this process, with these metrics declared. A second call gives the same registry again.
///
/// To be called before the parts that count: handles that were fetched without a registry count nothing.
///
/// # Errors
/// Another registry is there already, or a histogram has no bounds.
pub fn install(declared: &[Metric]) -> Result<PrometheusHandle, String> {
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let mut builder = PrometheusBuilder::new();
    for metric in declared {
        if let Kind::Histogram(bounds) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, bounds).map_err(|error| error.to_string())?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    for metric in declared {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, Unit::Count, metric.says),
            Kind::Gauge => describe_gauge!(metric.name, Unit::Count, metric.says),
            Kind::Histogram(_) => describe_histogram!(metric.name, Unit::Count, metric.says),
        }
    }
    Ok(HANDLE.get_or_init(|| handle).clone())
}
