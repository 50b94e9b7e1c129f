//! Stories as text, and random runs in a random world with every promise checked at every step.

mod endings;
mod sabotage;
mod seen;
mod shared;
mod sim;
mod simulations;
mod steering;
mod stories;
mod story;
mod watch;
mod why;
mod world;
