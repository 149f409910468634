//! Functions over collections: filtering, projection, existence, sets, conditions.
//! <http://hl7.org/fhirpath/N1/#existence>, <http://hl7.org/fhirpath/N1/#filtering-and-projection>

use super::ast::{Call, Expr};
use super::eval::{Evaluator, Focus, Items, Outcome, wrong};
use super::function::Function;
use super::item::{Item, Scalar};
use super::{EvalCode, EvalError};
use std::collections::HashSet;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn collection(
        &self,
        call: &'a Call,
        receiver: &[Item<'a>],
        focus: Focus<'_, 'a>,
    ) -> Outcome<'a> {
        let at = call.at;
        let bool_item = |b: bool| Ok(vec![Item::Bool(b)]);
        match (call.function, call.args.as_slice()) {
            (Function::Where, [condition]) => self.filter(condition, receiver, at),
            (Function::Exists, [condition]) => {
                for (index, item) in receiver.iter().enumerate() {
                    if self.test_item(condition, item, index, at)? == Some(true) {
                        return bool_item(true);
                    }
                }
                bool_item(false)
            }
            (Function::All, [condition]) => {
                for (index, item) in receiver.iter().enumerate() {
                    if self.test_item(condition, item, index, at)? != Some(true) {
                        return bool_item(false);
                    }
                }
                bool_item(true)
            }
            (Function::Select, [projection]) => self.select(projection, receiver, at),
            (Function::Iif, args) => self.iif(args, receiver, focus, at),
            (Function::Intersect, [other]) => self.intersect(receiver, &self.expr(other, focus)?, at),
            (Function::Trace, args) => {
                if let Some(name) = args.first() {
                    self.expr(name, focus)?;
                }
                Ok(receiver.to_vec())
            }
            (Function::First, _) => Ok(receiver.first().cloned().into_iter().collect()),
            (Function::Last, _) => Ok(receiver.last().cloned().into_iter().collect()),
            (Function::Single, _) => Ok(self.one(receiver, "single()", at)?.cloned().into_iter().collect()),
            (Function::Exists, _) => bool_item(!receiver.is_empty()),
            (Function::Empty, _) => bool_item(receiver.is_empty()),
            (Function::Count, _) => Ok(vec![Item::Integer(receiver.len() as i64)]),
            (Function::Distinct, _) => self.distinct(receiver.to_vec(), at),
            (Function::IsDistinct, _) => {
                bool_item(self.distinct(receiver.to_vec(), at)?.len() == receiver.len())
            }
            (Function::AllTrue | Function::AllFalse | Function::AnyTrue | Function::AnyFalse, _) => {
                self.truths(call.function, receiver, at)
            }
            (Function::Tail, _) => Ok(receiver.get(1..).unwrap_or_default().to_vec()),
            (Function::Skip | Function::Take, [count]) => {
                let count = self.integer(&self.expr(count, focus)?, "a number of items", at)?;
                let count = usize::try_from(count.unwrap_or(0).max(0))
                    .unwrap_or(usize::MAX)
                    .min(receiver.len());
                let (taken, left) = receiver.split_at(count);
                Ok(if call.function == Function::Take {
                    taken
                } else {
                    left
                }
                .to_vec())
            }
            (Function::Combine | Function::Union, [other]) => {
                let both: Items<'a> = receiver.iter().cloned().chain(self.expr(other, focus)?).collect();
                self.check_size(both.len(), at)?;
                if call.function == Function::Union {
                    return self.distinct(both, at);
                }
                Ok(both)
            }
            (Function::Exclude, [other]) => {
                let other = self.expr(other, focus)?;
                self.but_for(receiver, &other, at)
            }
            (Function::SubsetOf, [other]) => {
                let other = self.expr(other, focus)?;
                bool_item(self.but_for(receiver, &other, at)?.is_empty())
            }
            (Function::SupersetOf, [other]) => {
                let other = self.expr(other, focus)?;
                bool_item(self.but_for(&other, receiver, at)?.is_empty())
            }
            (Function::Not, _) => Ok(self
                .truth(
                    self.one(receiver, "the value before not()", at)?
                        .map_or(&[], std::slice::from_ref),
                    at,
                )?
                .map(|b| Item::Bool(!b))
                .into_iter()
                .collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn test_item(
        &self,
        condition: &'a Expr,
        item: &Item<'a>,
        index: usize,
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        self.charge(1, at)?;
        self.test(
            condition,
            Focus {
                items: std::slice::from_ref(item),
                index: Some(index),
            },
            at,
        )
    }

    fn filter(&self, condition: &'a Expr, receiver: &[Item<'a>], at: usize) -> Outcome<'a> {
        let mut out = Vec::new();
        for (index, item) in receiver.iter().enumerate() {
            if self.test_item(condition, item, index, at)? == Some(true) {
                out.push(item.clone());
            }
        }
        Ok(out)
    }

    fn select(&self, projection: &'a Expr, receiver: &[Item<'a>], at: usize) -> Outcome<'a> {
        let mut out = Vec::new();
        for (index, item) in receiver.iter().enumerate() {
            self.charge(1, at)?;
            let focus = Focus {
                items: std::slice::from_ref(item),
                index: Some(index),
            };
            out.extend(self.expr(projection, focus)?);
            self.check_size(out.len(), at)?;
        }
        Ok(out)
    }

    /// The criterion is a boolean or empty; only the chosen branch is evaluated.
    fn iif(&self, args: &'a [Expr], receiver: &[Item<'a>], focus: Focus<'_, 'a>, at: usize) -> Outcome<'a> {
        let [criterion, chosen, rest @ ..] = args else {
            return Ok(Vec::new());
        };
        self.one(receiver, "the value before iif()", at)?;
        let inner = Focus {
            items: receiver,
            index: focus.index,
        };
        self.testing.set(self.testing.get() + 1);
        let found = self.expr(criterion, inner);
        self.testing.set(self.testing.get() - 1);
        let found = found?;
        let holds = match self
            .one(&found, "the condition of iif()", at)?
            .map(|item| (item, item.scalar()))
        {
            None => false,
            Some((_, Scalar::Bool(b))) => b,
            Some((item, _)) => return Err(wrong(item, "the condition of iif()", at)),
        };
        match (holds, rest.first()) {
            (true, _) => self.expr(chosen, inner),
            (false, Some(other)) => self.expr(other, inner),
            (false, None) => Ok(Vec::new()),
        }
    }

    /// Each value once, in order of first appearance.
    pub(super) fn distinct(&self, items: Items<'a>, at: usize) -> Outcome<'a> {
        if items.len() < 2 {
            return Ok(items);
        }
        self.charge(items.len(), at)?;
        if items.len() > 8 && items.iter().all(|item| matches!(item.scalar(), Scalar::Text(..))) {
            let texts: Vec<_> = items.iter().map(Item::string).collect();
            let mut seen = HashSet::with_capacity(items.len());
            let mut fresh = texts.iter().map(|text| seen.insert(text.as_deref()));
            let mut out = items;
            out.retain(|_| fresh.next().unwrap_or(true));
            return Ok(out);
        }
        let mut out: Items<'a> = Vec::with_capacity(items.len());
        for item in items {
            if !self.holds(&out, &item, at)? {
                out.push(item);
            }
        }
        Ok(out)
    }

    /// Is an equal item among them?
    pub(super) fn holds(&self, items: &[Item<'a>], wanted: &Item<'a>, at: usize) -> Result<bool, EvalError> {
        for item in items {
            if self.equal(item, wanted, at)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn truths(&self, function: Function, receiver: &[Item<'a>], at: usize) -> Outcome<'a> {
        let wanted = matches!(function, Function::AllTrue | Function::AnyTrue);
        let all = matches!(function, Function::AllTrue | Function::AllFalse);
        let mut found = all;
        for item in receiver {
            match item.scalar() {
                Scalar::Bool(b) if all => found &= b == wanted,
                Scalar::Bool(b) => found |= b == wanted,
                _ => return Err(wrong(item, &format!("{}() needs booleans", function.name()), at)),
            }
        }
        Ok(vec![Item::Bool(found)])
    }

    /// Those of the left that are not among the right.
    fn but_for(&self, left: &[Item<'a>], right: &[Item<'a>], at: usize) -> Outcome<'a> {
        let mut out = Vec::new();
        for item in left {
            if !self.holds(right, item, at)? {
                out.push(item.clone());
            }
        }
        Ok(out)
    }

    fn intersect(&self, left: &[Item<'a>], right: &[Item<'a>], at: usize) -> Outcome<'a> {
        let mut out: Items<'a> = Vec::new();
        for item in left {
            if self.holds(right, item, at)? && !self.holds(&out, item, at)? {
                out.push(item.clone());
            }
        }
        Ok(out)
    }

    /// `in` and `contains`.
    pub(super) fn contains(
        &self,
        items: &[Item<'a>],
        wanted: &[Item<'a>],
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        items.iter().for_each(|item| self.note_leaf(item));
        match self.one(wanted, "the value looked for", at)? {
            Some(wanted) => Ok(Some(self.holds(items, wanted, at)?)),
            None => Ok(None),
        }
    }

    /// `=` of collections: same length, equal one by one in order.
    pub(super) fn equal_all(
        &self,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        a.iter().chain(b).for_each(|item| self.note_leaf(item));
        if a.is_empty() || b.is_empty() {
            return Ok(None);
        }
        if a.len() != b.len() {
            return Ok(Some(false));
        }
        let mut all = Some(true);
        for (x, y) in a.iter().zip(b) {
            match self.equal(x, y, at)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => all = None,
            }
        }
        Ok(all)
    }

    /// `~` of collections: same length, equivalent in some order.
    pub(super) fn equivalent_all(
        &self,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: usize,
    ) -> Result<bool, EvalError> {
        if a.len() != b.len() {
            return Ok(false);
        }
        self.charge(a.len(), at)?;
        let mut left: Vec<&Item<'a>> = b.iter().collect();
        for x in a {
            let mut found = None;
            for (index, y) in left.iter().enumerate() {
                if self.equivalent(x, y, at)? {
                    found = Some(index);
                    break;
                }
            }
            match found {
                Some(index) => left.swap_remove(index),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    /// A text argument or receiver.
    pub(super) fn text_of(
        &self,
        items: &[Item<'a>],
        what: &str,
        at: usize,
    ) -> Result<Option<std::borrow::Cow<'a, str>>, EvalError> {
        let Some(item) = self.one(items, what, at)? else {
            return Ok(None);
        };
        match item.string() {
            Some(text) => {
                self.charge(text.len() / 64, at)?;
                Ok(Some(text))
            }
            None if matches!(item.scalar(), Scalar::Absent) => Ok(None),
            None => {
                let message = format!("{what} needs a text, found {}; toString() makes one", item.kind());
                Err(EvalError::new(EvalCode::Type, at, message))
            }
        }
    }
}
