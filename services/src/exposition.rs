//! Metrics in Prometheus' text format: families are built from what is known at the moment of asking.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as Sample, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};

/// What an answer is made of.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<MetricFamily>);

/// Names and values of a sample's labels.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A distribution: observations by upper bound, each bucket for itself.
#[derive(Debug, Clone)]
pub(crate) struct Distribution {
    bounds: &'static [f64],
    /// One more than bounds: the last is for what is beyond them.
    counts: Vec<u64>,
    sum: f64,
}

impl Distribution {
    /// An empty one.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    /// Adds an observation.
    pub(crate) fn observe(&mut self, value: f64) {
        let place = self.bounds.iter().position(|bound| value <= *bound);
        self.add(place, 1);
        self.sum += value;
    }

    /// Adds observations that were counted elsewhere: the place of their bound, none for beyond.
    pub(crate) fn add(&mut self, place: Option<usize>, count: u64) {
        let place = place.unwrap_or(self.bounds.len());
        if let Some(bucket) = self.counts.get_mut(place) {
            *bucket += count;
        }
    }

    /// Adds to the sum of all observations.
    pub(crate) fn add_sum(&mut self, sum: f64) {
        self.sum += sum;
    }
}

impl Families {
    /// Something that is as it is.
    pub(crate) fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, f64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = labelled(&labels);
            metric.set_gauge(gauge);
            metric
        });
        self.family(name, help, MetricType::GAUGE, samples.collect());
    }

    /// Something that only grows.
    pub(crate) fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, f64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = labelled(&labels);
            metric.set_counter(counter);
            metric
        });
        self.family(name, help, MetricType::COUNTER, samples.collect());
    }

    /// Distributions.
    pub(crate) fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, &'a Distribution)>,
    ) {
        let samples = samples.into_iter().map(|(labels, distribution)| {
            let mut metric = labelled(&labels);
            metric.set_histogram(distribution.sample());
            metric
        });
        self.family(name, help, MetricType::HISTOGRAM, samples.collect());
    }

    /// A family without samples would be a promise without a value: it is left out.
    fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    /// The text, and what it calls itself.
    pub(crate) fn encode(&self) -> Result<(String, String), prometheus::Error> {
        let encoder = TextEncoder::new();
        let text = encoder.encode_to_string(&self.0)?;
        Ok((encoder.format_type().to_owned(), text))
    }
}

impl Distribution {
    fn sample(&self) -> Sample {
        let mut sample = Sample::default();
        let mut total = 0;
        let buckets = self.bounds.iter().zip(&self.counts).map(|(bound, count)| {
            total += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            bucket
        });
        sample.set_bucket(buckets.collect());
        sample.set_sample_count(self.counts.iter().sum());
        sample.set_sample_sum(self.sum);
        sample
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let mut metric = Metric::default();
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    metric.set_label(pairs.collect());
    metric
}
