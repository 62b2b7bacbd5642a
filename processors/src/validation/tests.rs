//! Rules are in `rules`, what follows from them over time in `course`.
mod course;
mod rules;
