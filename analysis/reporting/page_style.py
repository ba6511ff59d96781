"""The style of reports, on screen and on paper."""

STYLE = """
:root { --ink: #1b1f24; --faint: #5b6570; --line: #d5dae0; --shade: #f4f6f8; --accent: #0072b2; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); max-width: 74rem; margin: 0 auto; padding: 1.2rem 1.5rem 3rem; }
h1 { font-size: 1.7rem; margin: 0; }
h2 { font-size: 1.3rem; margin: 2.4rem 0 0.6rem; padding-bottom: 0.2rem;
  border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.4rem; }
p { margin: 0.5rem 0; max-width: 60rem; }
a { color: var(--accent); }
code { font-size: 0.88em; overflow-wrap: anywhere; }
pre { background: var(--shade); padding: 0.8rem; font-size: 12px; line-height: 1.35;
  white-space: pre-wrap; overflow-wrap: anywhere; columns: 2; column-gap: 2rem; }
math { font-size: 1.05em; }

.lead { color: var(--faint); margin: 0.1rem 0 0.9rem; max-width: none; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(21rem, 1fr));
  gap: 0.15rem 2rem; margin: 0 0 1rem; }
.facts div { display: flex; gap: 0.7rem; }
.facts dt { color: var(--faint); flex: 0 0 6.2rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem;
  margin: 0 0 1rem; }
.tile { border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: 4px;
  padding: 0.7rem 1rem 0.8rem; background: var(--shade); }
.tile strong { display: block; font-size: 1.75rem; line-height: 1.25; font-weight: 650; }
.tile b { display: block; font-weight: 600; }
.tile span { color: var(--faint); font-size: 0.87rem; }
.tile span.math { color: inherit; font-size: inherit; }
nav { margin: 1.2rem 0; padding: 0.6rem 1rem; background: var(--shade); border-radius: 4px; }
nav b { margin-right: 0.8rem; }
nav a { margin-right: 1.1rem; white-space: nowrap; }

table { border-collapse: collapse; margin: 0.7rem 0; font-size: 0.87rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; max-width: 100%; }
thead { border-bottom: 1.5px solid var(--faint); }
th { vertical-align: bottom; font-weight: 600; overflow-wrap: break-word; }
th, td { padding: 0.22rem 0.65rem; text-align: left; }
td { border-bottom: 1px solid var(--line); vertical-align: baseline; overflow-wrap: anywhere; }
td.short { white-space: nowrap; }
th.text, td.text { text-align: left !important; }
th:first-child, td:first-child { padding-left: 0.2rem; }
p > em:only-child { color: var(--faint); font-size: 0.87rem; font-style: normal; }

.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 0.8rem 1.6rem; align-items: start;
  grid-auto-flow: dense; }
figure { margin: 0; min-width: 0; }
figure.wide, figure.large { grid-column: 1 / -1; }
header figure.wide, header figure.large { grid-column: auto; }
figure img { max-width: 100%; display: block; }
figure.large img { max-height: 46rem; }
figcaption { color: var(--faint); font-size: 0.82rem; line-height: 1.35; margin-top: 0.25rem; }
@media screen and (max-width: 68rem) {
  table { font-size: 0.76rem; }
  th, td { padding: 0.2rem 0.3rem; }
  td.short { white-space: normal; }
}
@media screen and (max-width: 48rem) {
  .figures { grid-template-columns: 1fr; }
  pre { columns: 1; }
}

@page { size: A4; margin: 13mm 12mm; }
@media print {
  body { font-size: 9pt; line-height: 1.35; max-width: none; padding: 0; }
  h1 { font-size: 16pt; }
  h2 { font-size: 12.5pt; margin: 5mm 0 1.5mm; }
  h3 { font-size: 10pt; margin: 3mm 0 1mm; }
  h2, h3, p:has(+ table), p:has(+ p + table) { break-after: avoid; }
  a { color: inherit; text-decoration: none; }
  p, .lead { max-width: none; }
  table { font-size: 7.2pt; line-height: 1.25; margin: 1.5mm 0; }
  thead { display: table-header-group; }
  th, td { padding: 0.35mm 1.6mm; }
  td { vertical-align: middle; } /* browsers align no baselines across pages */
  tr, figure, .tile, nav { break-inside: avoid; }
  p > em:only-child, figcaption { font-size: 7.4pt; line-height: 1.25; }
  .facts { grid-template-columns: 1fr 1fr; gap: 0 6mm; margin-bottom: 2mm; }
  .facts dt { flex-basis: 20mm; }
  .tiles { grid-template-columns: repeat(3, 1fr); gap: 3mm; margin-bottom: 3mm; }
  .tile { padding: 2mm 3mm; }
  .tile strong { font-size: 14pt; }
  .tile span { font-size: 7.6pt; }
  nav { margin: 2mm 0; padding: 1.5mm 3mm; }
  .figures { grid-template-columns: 1fr 1fr; gap: 3mm 5mm; }
  figure.wide img { max-height: 73mm; }
  figure.large img { max-height: 76mm; }
  figure.small img { max-height: 64mm; }
  pre { font-size: 6.6pt; line-height: 1.25; columns: 3; column-gap: 4mm; padding: 2mm; }
}
"""
