//! What can be sold, and how it is built: versioned, immutable once published, always asked for by version.
//!
//! [`CatalogDocument`] is what is written and published; [`Catalog`] is a document that was checked, with every expression and
//! pattern compiled. A catalog is cheap to clone and is read as its document: `catalog.offerings`, `catalog.task_types`.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fallout::rules::{FalloutRule, FalloutRules};
use crate::order::OrderItem;
use crate::{CatalogVersion, limits};

mod check;
mod compiled;
pub mod expression;
pub mod finding;
mod load;
pub mod offering;
mod place;
pub mod published;
pub mod realisation;
mod scale;
pub mod specification;
pub mod task_type;
#[cfg(test)]
pub(crate) mod tests;
mod uses;

pub use expression::{Expression, ExpressionError, Variables};
pub use finding::{Finding, Severity};
pub use offering::{
    BundleMember, DiscountModel, EligibilityRule, FailedProduct, Feasibility, Offering, OfferingRelation,
    OfferingRelationKind, PriceModel,
};
pub use published::{CatalogPublished, Catalogs};
pub use realisation::{
    After, ComponentRule, InputSource, ItemField, Mapping, OrderField, OutputSource, RelationKind,
    ServiceSpecification, TaskRule,
};
pub use specification::{CharacteristicSpecification, ProductSpecification, ValueType};
pub use task_type::{CircuitPolicy, System, TaskType};

/// One version as it is written down. Maps are keyed by the entry's own id or name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogDocument {
    pub version: CatalogVersion,
    pub description: Option<String>,
    pub systems: BTreeMap<String, System>,
    pub task_types: BTreeMap<String, TaskType>,
    pub offerings: BTreeMap<String, Offering>,
    pub product_specifications: BTreeMap<String, ProductSpecification>,
    /// Services, resources and the like: everything that a component of a product is realised by.
    pub service_specifications: BTreeMap<String, ServiceSpecification>,
    /// The words by which order items relate to one another, and what each means for the work.
    pub relation_kinds: BTreeMap<String, RelationKind>,
    pub fallout_rules: Vec<FalloutRule>,
}

impl CatalogDocument {
    /// A catalog of nothing under this version.
    pub fn empty(version: CatalogVersion) -> CatalogDocument {
        CatalogDocument {
            version,
            description: None,
            systems: BTreeMap::new(),
            task_types: BTreeMap::new(),
            offerings: BTreeMap::new(),
            product_specifications: BTreeMap::new(),
            service_specifications: BTreeMap::new(),
            relation_kinds: BTreeMap::new(),
            fallout_rules: Vec::new(),
        }
    }
}

/// A checked version, ready for use: `Deref`s to its [`CatalogDocument`]. A clone shares.
#[derive(Clone, Debug)]
pub struct Catalog(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    document: CatalogDocument,
    compiled: compiled::Compiled,
    fallout: FalloutRules,
}

impl Checked {
    /// All of it that can be used, and everything that is wrong with it.
    fn of(document: CatalogDocument) -> (Checked, Vec<Finding>) {
        let (compiled, mut findings) = compiled::Compiled::of(&document);
        findings.extend(check::check(&document));
        let fallout = FalloutRules::compile(&document.fallout_rules).unwrap_or_else(|wrong| {
            findings.extend(
                wrong
                    .into_iter()
                    .map(|(index, message)| Finding::new(format!("falloutRule {}", index + 1), message)),
            );
            FalloutRules::default()
        });
        (Checked { document, compiled, fallout }, findings)
    }
}

impl std::ops::Deref for Catalog {
    type Target = CatalogDocument;

    fn deref(&self) -> &CatalogDocument {
        &self.0.document
    }
}

impl PartialEq for Catalog {
    fn eq(&self, other: &Catalog) -> bool {
        self.0.document == other.0.document
    }
}

impl Catalog {
    /// Checks a document and compiles what it holds: what a catalog must be to be used. What it must be to be published, too, is
    /// more ([`Catalog::reviewed`], [`Catalog::review_errors`]); a version that was published before a rule of that kind was
    /// thought of stays usable.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn new(document: CatalogDocument) -> Result<Catalog, Vec<Finding>> {
        let (checked, findings) = Checked::of(document);
        if findings.is_empty() { Ok(Catalog(Arc::new(checked))) } else { Err(findings) }
    }

    /// The catalog, where it may be published; and everything that is to be said of it, warnings among it.
    pub fn reviewed(document: CatalogDocument) -> (Option<Catalog>, Vec<Finding>) {
        let (catalog, findings) = Catalog::judged(document, true);
        let is_good = !findings.iter().any(Finding::is_error);
        (catalog.filter(|_| is_good), findings)
    }

    /// The catalog, where it can be used, and everything that is to be said of it. Something of the document could not be read
    /// where not `is_whole`.
    fn judged(document: CatalogDocument, is_whole: bool) -> (Option<Catalog>, Vec<Finding>) {
        let (checked, mut findings) = Checked::of(document);
        let is_right = is_whole && findings.is_empty();
        findings.extend(check::review(&checked.document, &checked.compiled, is_right));
        (is_right.then(|| Catalog(Arc::new(checked))), findings)
    }

    /// What keeps it from being published for the first time, though it can be used.
    pub fn review_errors(&self) -> Vec<Finding> {
        let mut findings = check::review(&self.0.document, &self.0.compiled, true);
        findings.retain(Finding::is_error);
        findings
    }

    /// From TOML files given as (name, text); an entry may be in any of them, the version is in exactly one.
    ///
    /// # Errors
    /// Everything that is wrong, at once, with file and line; warnings are not among it.
    pub fn from_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Catalog, Vec<Finding>> {
        let (catalog, mut findings) = Catalog::reviewed_files(files);
        findings.retain(Finding::is_error);
        catalog.ok_or(findings)
    }

    /// The same for what may be published already: refused is what cannot be used ([`Catalog::new`]).
    ///
    /// # Errors
    /// As [`Catalog::from_files`], where it cannot be used.
    pub fn usable_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Catalog, Vec<Finding>> {
        load::usable(files)
    }

    /// As [`Catalog::from_files`], with the warnings: first what could not be read, then by file and line.
    pub fn reviewed_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> (Option<Catalog>, Vec<Finding>) {
        load::from_files(files)
    }

    /// From the canonical text of [`Catalog::to_json`].
    ///
    /// # Errors
    /// What is wrong with it; a text that is no catalog at all is one finding.
    pub fn from_json(text: &str) -> Result<Catalog, Vec<Finding>> {
        let document = serde_json::from_str(text)
            .map_err(|error| vec![Finding::new("document", format!("could not be read: {error}"))])?;
        Catalog::new(document)
    }

    /// The document as canonical JSON: the keys of every object in order, no white space. Equal catalogs have equal texts.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::to_value(&self.0.document)
            .expect("a document is plain records and maps with text as keys");
        value.sort_all_objects();
        value.to_string()
    }

    /// A name of the content: equal catalogs have equal digests.
    pub fn digest(&self) -> String {
        published::digest(&self.to_json())
    }

    /// The same catalog with every duration divided by `divisor` (at least one millisecond stays) and, where `ms_max` is above
    /// 0, cut to that; for demonstrations. The version says so: `2026.11/200-4000`. A divisor of 0 or 1 divides nothing.
    pub fn scaled(&self, divisor: u32, ms_max: i64) -> Catalog {
        if divisor <= 1 && ms_max <= 0 {
            return self.clone();
        }
        let document = scale::scaled(&self.0.document, divisor.max(1), ms_max);
        // Dividing and cutting keep every order between durations, and nothing else was touched.
        Catalog::new(document).expect("a checked catalog stays correct when its durations are divided")
    }

    /// The rule table that files failures, for [`crate::fallout::rules::classify`].
    pub fn fallout(&self) -> &FalloutRules {
        &self.0.fallout
    }

    /// The value of an expression of this catalog.
    ///
    /// # Errors
    /// [`ExpressionError`] where it fails over these variables, or is no expression of this catalog.
    pub fn evaluate(
        &self,
        expression: &Expression,
        variables: &Variables,
    ) -> Result<serde_json::Value, ExpressionError> {
        self.0.compiled.evaluate(expression, variables)
    }

    /// Whether a condition of this catalog holds.
    ///
    /// # Errors
    /// As [`Catalog::evaluate`]; and where the value is neither true nor false.
    pub fn holds(&self, condition: &Expression, variables: &Variables) -> Result<bool, ExpressionError> {
        self.0.compiled.holds(condition, variables)
    }

    /// Whether the whole of `text` matches a pattern of this catalog's characteristics. A pattern that is not of this catalog
    /// matches nothing.
    pub fn matches(&self, pattern: &str, text: &str) -> bool {
        self.0.compiled.matches(pattern, text)
    }

    /// What the item orders; `None` where it names no offering, or one that is not in this version.
    pub fn offering_of(&self, item: &OrderItem) -> Option<&Offering> {
        self.offerings.get(&item.offering.as_ref()?.id)
    }

    /// The specification of the item's product: its offering's, else the one that the item names itself.
    pub fn specification_of(&self, item: &OrderItem) -> Option<&ProductSpecification> {
        let sold = self.offering_of(item).and_then(|offering| offering.specification.as_ref());
        let named = item.specification.as_ref().map(|specification| &specification.id);
        self.product_specifications.get(sold.or(named)?)
    }
}

// A published catalog is one record, with a little around it.
const _: () = assert!(limits::CATALOG_BYTES_MAX < limits::RECORD_BYTES_MAX);
