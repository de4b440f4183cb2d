//! Drawing of the state.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table, TableState};
use unicode_width::UnicodeWidthStr as _;

use super::columns::{Column, Tone};
use super::samples::Sample;
use super::state::{Drawn, State};

/// Minimum and maximum width of a text column.
const TEXT: (usize, usize) = (8, 44);
/// Gap between two columns.
const GAP: usize = 2;

const KEYS: &str = "enter in  esc back  tab proxies  s sort  / filter  p pause  ? help  q quit";

const HELP: [(&str, &str); 12] = [
    ("up, down, j, k", "another row; page up, page down, home, end"),
    ("enter", "into what is selected: backends, endpoints, connections"),
    ("esc", "back, or without the filter"),
    ("tab", "routes, or proxies"),
    ("s, <, >", "sort by another column"),
    ("r", "sort the other way round"),
    ("/", "filter: only rows in which this stands"),
    ("p", "pause: what is drawn stays"),
    ("q, ctrl-c", "quit"),
    ("WANTED, SEEN", "the split by weights, and that of the last minute"),
    ("ERR/S", "connects that failed, and refused connections"),
    ("OLD", "connections on weights that are not in force any more"),
];

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let [head, heading, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(self::head(state, head.width), head);
    match state.drawn() {
        Some(drawn) => {
            frame.render_widget(self::heading(state, &drawn), heading);
            table(frame, body, &drawn);
        }
        None => frame.render_widget("nothing has come yet", body),
    }
    frame.render_widget(self::foot(state), foot);
    if state.shows_help {
        help(frame, body);
    }
}

/// Source, time and size of the sample.
fn head(state: &State, width: u16) -> Line<'static> {
    let mut spans = vec![Span::styled("meshtcp top", Style::new().add_modifier(Modifier::BOLD))];
    spans.push(Span::raw(format!("  {}", state.title)));
    if let Some(Sample { flows, proxies, .. }) = state.shown() {
        let active: u64 = flows.items.iter().map(|row| row.counts.active).sum();
        let proxies = match proxies {
            Some(_) => format!("  {} proxies report", flows.reporting),
            None => String::new(),
        };
        spans.push(Span::raw(format!("  {}{proxies}  {active} active", flows.at.strftime("%H:%M:%SZ"))));
    }
    if state.is_paused {
        spans.push(Span::styled("  paused", Style::new().fg(Color::Yellow)));
    }
    if let Some(why) = &state.failed {
        let taken: usize = spans.iter().map(Span::width).sum();
        let why = why.lines().next().unwrap_or_default();
        let room = usize::from(width).saturating_sub(taken + GAP);
        spans.push(Span::styled(format!("  {}", cut(why, room)), Style::new().fg(Color::Red)));
    }
    Line::from(spans)
}

/// Title of the list, and what is left out.
fn heading(state: &State, Drawn { title, list, total, .. }: &Drawn) -> Line<'static> {
    let style = Style::new().fg(Color::Cyan);
    let mut spans = vec![Span::styled(title.clone(), style)];
    if state.is_typing || !state.filter.is_empty() {
        let cursor = if state.is_typing { "_" } else { "" };
        spans.push(Span::raw(format!("  /{}{cursor}  {} of {total}", state.filter, list.rows.len())));
    }
    Line::from(spans)
}

fn table(frame: &mut Frame<'_>, area: Rect, drawn: &Drawn) {
    let Drawn { list, selected, sorted_by, is_rising, .. } = drawn;
    if list.rows.is_empty() {
        frame.render_widget("nothing", area);
        return;
    }
    let title = |at: usize, column: &Column| match at == *sorted_by {
        true => format!("{}{}", column.title, if *is_rising { "▲" } else { "▼" }),
        false => column.title.to_owned(),
    };
    let width = |at: usize, column: &Column| {
        let cells = list.rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.text.width());
        // the sort mark has room in every column, so that columns do not jump
        let most = cells.max().unwrap_or_default().max(column.title.width() + 1);
        if column.is_number { most } else { most.clamp(TEXT.0, TEXT.1) }
    };
    let widths: Vec<usize> = list.columns.iter().enumerate().map(|(at, column)| width(at, column)).collect();
    let kept = fitting(list.columns, &widths, usize::from(area.width));
    let cell = |at: usize, text: &str, style: Style| {
        let (column, width) = (&list.columns[at], widths[at]);
        let side = if column.is_number { Alignment::Right } else { Alignment::Left };
        Text::styled(cut(text, width), style).alignment(side)
    };
    let header = kept
        .iter()
        .map(|&at| cell(at, &title(at, &list.columns[at]), Style::new().add_modifier(Modifier::BOLD)));
    let rows = list.rows.iter().map(|row| {
        Row::new(kept.iter().map(|&at| {
            let it = &row.cells[at];
            let style = match it.tone {
                Tone::Plain => Style::new(),
                Tone::Doubtful => Style::new().fg(Color::Yellow),
                Tone::Bad => Style::new().fg(Color::Red),
            };
            cell(at, &it.text, style)
        }))
    });
    let constraints =
        kept.iter().map(|&at| Constraint::Length(u16::try_from(widths[at]).unwrap_or(u16::MAX)));
    let table = Table::new(rows, constraints)
        .header(Row::new(header))
        .column_spacing(GAP as u16)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(Some(*selected)));
}

/// Columns that fit: the least important are left out first.
fn fitting(columns: &[Column], widths: &[usize], room: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let taken = |kept: &[usize]| kept.iter().map(|&at| widths[at] + GAP).sum::<usize>().saturating_sub(GAP);
    while taken(&kept) > room && kept.len() > 1 {
        // the last one of several with the same rank
        let Some((worst, _)) = kept.iter().enumerate().max_by_key(|(place, at)| (columns[**at].rank, *place))
        else {
            break;
        };
        kept.remove(worst);
    }
    kept
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if cut.width() + 2 > width {
            break;
        }
        cut.push(letter);
    }
    if width > 0 { cut + "…" } else { cut }
}

fn foot(state: &State) -> Line<'static> {
    let keys = if state.is_typing { "type what rows are to have  enter keep it  esc without" } else { KEYS };
    Line::styled(keys, Style::new().add_modifier(Modifier::DIM))
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let (keys, words) = (17, HELP.iter().map(|(_, words)| words.width()).max().unwrap_or_default());
    let wide = u16::try_from(keys + words + 4).unwrap_or(u16::MAX).min(area.width);
    let high = u16::try_from(HELP.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    let lines: Vec<Line<'_>> =
        HELP.iter().map(|(key, words)| Line::raw(format!(" {key:<keys$}{words}"))).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys and columns ")), place);
}
