//! Causal attention with grouped queries, in blocks of queries; no matrix of all scores is ever held.
//!
//! Forward keeps one log-sum-exp per query; backward rebuilds the probabilities of a block from it
//! (Dao et al. 2022, arXiv 2205.14135, algorithms 1 and 4 with the whole key range as one block).
//! Everything is head-major: see [`super`].

use rayon::prelude::*;

use super::Ragged;
use super::elementwise::{dispatch, dot, exp_shifted, max};
use super::matmul::{Into, Threads, View, ViewMut, multiply};

/// Queries whose scores are held at once.
const BLOCK: usize = 64;

/// Head counts and width of an attention layer.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; divides `query`.
    pub kv: usize,
    /// Width of a head.
    pub dim: usize,
    /// Keys that a query sees, its own among them; all before it if there is no window.
    pub window: Option<usize>,
}

impl Heads {
    fn group(self) -> usize {
        self.query / self.kv
    }

    fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// The first key that a query sees whose last one is `end - 1`.
    fn first(self, end: usize) -> usize {
        self.window.map_or(0, |window| end.saturating_sub(window))
    }
}

/// One head: `out = softmax(q kᵀ / sqrt(dim)) v` where query `i` sees keys `0..=i + (keys - queries)`, or the last of
/// them that its window holds.
/// `q, out: [queries, dim]`, `k, v: [keys, dim]`, `log_sums: [queries]`.
pub fn forward_head(out: &mut [f32], log_sums: &mut [f32], q: &[f32], k: &[f32], v: &[f32], heads: Heads) {
    let dim = heads.dim;
    let (queries, keys) = (q.len() / dim, k.len() / dim);
    let past = keys - queries;
    let mut scores = vec![0.0f32; BLOCK.min(queries) * keys];
    for start in (0..queries).step_by(BLOCK) {
        let end = (start + BLOCK).min(queries);
        let first = heads.first(past + start + 1);
        let (rows, seen) = (end - start, past + end - first);
        let scores = &mut scores[..rows * seen];
        let keys = first * dim..(past + end) * dim;
        let (q, k, v) = (&q[start * dim..end * dim], &k[keys.clone()], &v[keys]);
        block_scores(scores, q, k, heads);
        dispatch(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let visible = past + start + row + 1;
                    let visible = heads.first(visible) - first..visible - first;
                    let line = &mut scores[row * seen..(row + 1) * seen];
                    let top = max(&line[visible.clone()]);
                    let sum = exp_shifted(&mut line[visible.clone()], top);
                    let inverse = 1.0 / sum;
                    line[visible.clone()].iter_mut().for_each(|p| *p *= inverse);
                    line[..visible.start].fill(0.0);
                    line[visible.end..].fill(0.0);
                    log_sums[start + row] = top + sum.ln();
                }
            },
        );
        let out = ViewMut::new(&mut out[start * dim..end * dim], rows, dim);
        multiply(out, Into::Replace, 1.0, View::new(scores, rows, seen), View::new(v, seen, dim), Threads::One);
    }
}

fn block_scores(scores: &mut [f32], q: &[f32], k: &[f32], heads: Heads) {
    let (rows, seen) = (q.len() / heads.dim, k.len() / heads.dim);
    let (q, k) = (View::new(q, rows, heads.dim), View::new(k, seen, heads.dim));
    multiply(ViewMut::new(scores, rows, seen), Into::Replace, heads.scale(), q, k.transposed(), Threads::One);
}

/// Attention of every sequence of a batch over itself.
pub fn forward(out: &mut [f32], log_sums: &mut [f32], q: &[f32], k: &[f32], v: &[f32], batch: &Ragged, heads: Heads) {
    let mut tasks = Vec::with_capacity(batch.len() * heads.query);
    let (mut out, mut log_sums) = (out, log_sums);
    for range in batch.ranges() {
        for head in 0..heads.query {
            let (head_out, rest) = out.split_at_mut(range.len() * heads.dim);
            out = rest;
            let (head_sums, rest) = log_sums.split_at_mut(range.len());
            log_sums = rest;
            tasks.push((range.clone(), head, head_out, head_sums));
        }
    }
    tasks.into_par_iter().for_each(|(range, head, out, log_sums)| {
        let q = head_slice(q, &range, heads.query, head, heads.dim);
        let k = head_slice(k, &range, heads.kv, head / heads.group(), heads.dim);
        let v = head_slice(v, &range, heads.kv, head / heads.group(), heads.dim);
        forward_head(out, log_sums, q, k, v, heads);
    });
}

/// What the forward of a batch left for the backward.
pub struct Saved<'a> {
    /// Rotated queries.
    pub q: &'a [f32],
    /// Rotated keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// The output.
    pub out: &'a [f32],
    /// One log-sum-exp per query and head.
    pub log_sums: &'a [f32],
}

/// Writes the gradients of queries, keys and values, given the output's.
pub fn backward(
    (dq, dk, dv): (&mut [f32], &mut [f32], &mut [f32]),
    d_out: &[f32],
    saved: &Saved<'_>,
    batch: &Ragged,
    heads: Heads,
) {
    let mut tasks = Vec::with_capacity(batch.len() * heads.kv);
    let (mut dq, mut dk, mut dv) = (dq, dk, dv);
    for range in batch.ranges() {
        let rows = range.len() * heads.dim;
        for kv_head in 0..heads.kv {
            let (group_dq, rest) = dq.split_at_mut(rows * heads.group());
            dq = rest;
            let (head_dk, rest) = dk.split_at_mut(rows);
            dk = rest;
            let (head_dv, rest) = dv.split_at_mut(rows);
            dv = rest;
            tasks.push((range.clone(), kv_head, group_dq, head_dk, head_dv));
        }
    }
    tasks.into_par_iter().for_each(|(range, kv_head, dq, dk, dv)| {
        dk.fill(0.0);
        dv.fill(0.0);
        let k = head_slice(saved.k, &range, heads.kv, kv_head, heads.dim);
        let v = head_slice(saved.v, &range, heads.kv, kv_head, heads.dim);
        for (member, dq) in dq.chunks_mut(range.len() * heads.dim).enumerate() {
            let head = kv_head * heads.group() + member;
            let one = OneHead {
                q: head_slice(saved.q, &range, heads.query, head, heads.dim),
                k,
                v,
                out: head_slice(saved.out, &range, heads.query, head, heads.dim),
                log_sums: head_slice(saved.log_sums, &range, heads.query, head, 1),
                d_out: head_slice(d_out, &range, heads.query, head, heads.dim),
            };
            backward_head(dq, dk, dv, &one, heads);
        }
    });
}

struct OneHead<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    log_sums: &'a [f32],
    d_out: &'a [f32],
}

/// Overwrites `dq`; adds to `dk` and `dv`, which the heads of a group share.
fn backward_head(dq: &mut [f32], dk: &mut [f32], dv: &mut [f32], head: &OneHead<'_>, heads: Heads) {
    let dim = heads.dim;
    let length = head.q.len() / dim;
    let block = BLOCK.min(length);
    let (mut probabilities, mut gradients) = (vec![0.0f32; block * length], vec![0.0f32; block * length]);
    for start in (0..length).step_by(BLOCK) {
        let end = (start + BLOCK).min(length);
        let first = heads.first(start + 1);
        let (rows, seen) = (end - start, end - first);
        let (lines, keys) = (start * dim..end * dim, first * dim..end * dim);
        let (p, dp) = (&mut probabilities[..rows * seen], &mut gradients[..rows * seen]);
        let (q, d_out, out) = (&head.q[lines.clone()], &head.d_out[lines.clone()], &head.out[lines.clone()]);
        let (k, v) = (&head.k[keys.clone()], &head.v[keys.clone()]);

        block_scores(p, q, k, heads);
        let d_out_view = View::new(d_out, rows, dim);
        let values = View::new(v, seen, dim).transposed();
        multiply(ViewMut::new(dp, rows, seen), Into::Replace, 1.0, d_out_view, values, Threads::One);
        dispatch(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let visible = start + row + 1;
                    let visible = heads.first(visible) - first..visible - first;
                    let line = row * seen..(row + 1) * seen;
                    let (p, dp) = (&mut p[line.clone()], &mut dp[line]);
                    exp_shifted(&mut p[visible.clone()], head.log_sums[start + row]);
                    p[..visible.start].fill(0.0);
                    p[visible.end..].fill(0.0);
                    // sum_j p_j dp_j equals the output's row times its gradient (equation 4 of the paper)
                    let mean = dot(&out[row * dim..(row + 1) * dim], &d_out[row * dim..(row + 1) * dim]);
                    for (dp, &p) in dp.iter_mut().zip(p.iter()) {
                        *dp = p * (*dp - mean);
                    }
                }
            },
        );
        let (p, ds) = (View::new(p, rows, seen), View::new(dp, rows, seen));
        let dv = ViewMut::new(&mut dv[keys.clone()], seen, dim);
        multiply(dv, Into::Add, 1.0, p.transposed(), d_out_view, Threads::One);
        let dq = ViewMut::new(&mut dq[lines], rows, dim);
        multiply(dq, Into::Replace, heads.scale(), ds, View::new(k, seen, dim), Threads::One);
        let dk = ViewMut::new(&mut dk[keys], seen, dim);
        multiply(dk, Into::Add, heads.scale(), ds.transposed(), View::new(q, rows, dim), Threads::One);
    }
}

/// The rows of one head of one sequence in a head-major buffer with `heads` heads of `width`.
fn head_slice<'a>(
    data: &'a [f32],
    range: &std::ops::Range<usize>,
    heads: usize,
    head: usize,
    width: usize,
) -> &'a [f32] {
    let rows = range.len() * width;
    &data[range.start * heads * width + head * rows..][..rows]
}
