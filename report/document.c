/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/document.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* In the order in which they are declared. Series colours (s0 and on) are told apart by the colour-blind (after Okabe
 * and Ito), and lines by their dashes as well. */
static const struct {
	const char *name, *light, *dark;
} colours[] = {
	{"page", "#ffffff", "#0f1318"}, {"ink", "#1b1f24", "#e6e9ed"},    {"soft", "#57606a", "#9aa4af"},
	{"rule", "#d0d7de", "#353c45"}, {"panel", "#f6f8fa", "#181d24"},  {"good", "#1a7f37", "#56d364"},
	{"bad", "#c9252d", "#ff7b72"},  {"accent", "#0550ae", "#79b8ff"}, {"s0", "#0b62b0", "#6cb6ff"},
	{"s1", "#b5480a", "#f0945a"},   {"s2", "#00795c", "#45c9a1"},     {"s3", "#9b3f86", "#e08cc8"},
	{"s4", "#8a6500", "#e2b93b"},   {"s5", "#2a88ad", "#7fd4ee"},     {"s6", "#6e5bb8", "#b3a3f5"},
	{"s7", "#57606a", "#9aa4af"},
};

#define COLOURS_COUNT (sizeof colours / sizeof colours[0])

static const char style[] =
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:80rem;background:var(--page);color:var(--ink);"
	"font:1rem/1.5 system-ui,'Segoe UI','DejaVu Sans',sans-serif}\n"
	"h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.25rem;margin:2.5rem 0 .75rem;"
	"padding-bottom:.25rem;border-bottom:1px solid var(--rule)}h3{font-size:1rem;margin:1.5rem 0 .5rem}\n"
	"a{color:var(--accent)}p{max-width:48rem}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}"
	"\n"
	"code,pre,.mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.85em}\n"
	"nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem}\n"
	".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
	"th,td{padding:.25rem .75rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}\n"
	"th{font-weight:600;color:var(--soft)}td.good,td.bad{white-space:nowrap}td.n,th.n{text-align:right;white-space:"
	"nowrap}\n"
	":target{outline:2px solid var(--accent);outline-offset:3px}\n"
	".figures{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,29rem),1fr))}\n"
	"figure{margin:0;padding:.75rem;border:1px solid var(--rule);border-radius:6px;background:var(--panel)}\n"
	"figcaption{font-weight:600;font-size:.95rem}.note{font-weight:400;color:var(--soft);font-size:.85rem}\n"
	".legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.25rem 0;font-size:.85rem;color:var(--soft)}"
	".legend svg{display:inline-block;width:2rem;height:.75rem;margin-right:.35rem;vertical-align:middle}\n"
	"svg{display:block;width:100%;height:auto;overflow:visible;font-family:system-ui,'DejaVu Sans',sans-serif}\n"
	"svg text{font-size:12px;fill:var(--ink)}svg text.soft{fill:var(--soft)}svg text.strong{font-weight:600}"
	"svg text.tiny{font-size:10.5px}\n"
	".axis{stroke:var(--soft);stroke-width:1}.grid{stroke:var(--rule);stroke-width:1}\n"
	".curve{fill:none;stroke-width:2;stroke-linejoin:round}.band{opacity:.22;stroke:none}.whisker{stroke-width:1.4}"
	"\n"
	".s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}.s5{--c:var(--s5)}"
	".s6{--c:var(--s6)}.s7{--c:var(--s7)}\n"
	".s1 .curve{stroke-dasharray:7 3}.s2 .curve{stroke-dasharray:2 3}.s3 .curve{stroke-dasharray:9 3 2 3}"
	".s4 .curve{stroke-dasharray:5 2}.s5 .curve{stroke-dasharray:1 2}.s6 .curve{stroke-dasharray:12 4}"
	".s7 .curve{stroke-dasharray:4 4}\n"
	".mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}svg text.mark-text{fill:var(--soft)}\n"
	".curve,.whisker{stroke:var(--c)}.band,.dot,.bar{fill:var(--c)}\n"
	".tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem "
	"0}.tile{display:flex;flex-direction:column;min-width:8rem;"
	"padding:.6rem .9rem;border:1px solid var(--rule);border-radius:6px;background:var(--panel)}"
	".tile strong{font-size:1.3rem;line-height:1.3}.tile span{font-size:.85rem}\n"
	"pre{margin:.5rem 0;padding:.75rem;border:1px solid var(--rule);border-radius:6px;background:var(--panel);"
	"line-height:1.45;min-width:max-content}td.mono{font-size:.8rem}\n"
	".box{fill:var(--page);stroke:var(--soft);stroke-width:1.2}.bus{stroke:var(--accent);stroke-width:4;"
	"stroke-linecap:round}.wire{stroke:var(--soft);stroke-width:1.5}.joint{fill:var(--accent)}\n"
	"svg text.halo{paint-order:stroke;stroke:var(--panel);stroke-width:4px;stroke-linejoin:round}\n"
	".lane{stroke:var(--rule);stroke-width:2}.arrow{stroke:var(--c);stroke-width:1.6}.head{fill:var(--c)}"
	".cross{stroke:var(--bad);stroke-width:2.2}.mark-box{fill:var(--soft)}.layer text{fill:var(--soft)}\n"
	"@media(max-width:40rem){body{padding:1rem .75rem 3rem}.figures svg text{font-size:15px}"
	".figures svg text.tiny{font-size:12px}pre{white-space:pre-wrap;min-width:0}.stack thead{display:none}"
	".stack tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--rule)}"
	".stack td{display:block;padding:.1rem 0;border:0;overflow-wrap:anywhere}"
	"figure{padding:.5rem}}\n"
	"@media print{body{max-width:none}figure{break-inside:avoid}}\n";

/* A picture that stands alone: a ladder's elements. A word behind '$' is a colour; not every program that draws SVG
 * knows of CSS variables. */
static const char picture_style[] =
	"svg{font-family:system-ui,'DejaVu Sans',sans-serif}text{font-size:12px;fill:$ink}.title{font-size:17px;"
	"font-weight:600}.strong{font-weight:600}.tiny{font-size:10.5px}.soft,.layer text{fill:$soft}"
	".halo{paint-order:stroke;stroke:$page;stroke-width:4px;stroke-linejoin:round}\n"
	".page{fill:$page}.lane{stroke:$rule;stroke-width:2}.arrow{stroke-width:1.6}.cross{stroke:$bad;stroke-width:2."
	"2}"
	".mark-box{fill:$soft}\n"
	".s0 .arrow{stroke:$s0}.s0 .head{fill:$s0}.s1 .arrow{stroke:$s1}.s1 .head{fill:$s1}"
	".s2 .arrow{stroke:$s2}.s2 .head{fill:$s2}.s3 .arrow{stroke:$s3}.s3 .head{fill:$s3}\n";

static const char *colour(const char *name, size_t len, bool dark)
{
	for (size_t i = 0; i < COLOURS_COUNT; i++)
		if (strlen(colours[i].name) == len && !memcmp(colours[i].name, name, len))
			return dark ? colours[i].dark : colours[i].light;
	return "";
}

static void picture_rules(struct markup *m, bool dark)
{
	char piece[sizeof picture_style];

	for (const char *p = picture_style; *p;) {
		size_t text = strcspn(p, "$"), name;

		snprintf(piece, sizeof piece, "%.*s", (int)text, p);
		markup_raw(m, piece);
		p += text;
		if (!*p)
			break;
		name = strspn(++p, "abcdefghijklmnopqrstuvwxyz0123456789");
		markup_raw(m, colour(p, name, dark));
		p += name;
	}
}

void document_style_picture(struct markup *m)
{
	picture_rules(m, false);
	markup_raw(m, "@media(prefers-color-scheme:dark){\n");
	picture_rules(m, true);
	markup_raw(m, "}\n");
}

static void page_colours(struct markup *m, bool dark)
{
	for (size_t i = 0; i < COLOURS_COUNT; i++) {
		markup_raw(m, dark && !i ? "--" : ";--");
		markup_raw(m, colours[i].name);
		markup_raw(m, ":");
		markup_raw(m, dark ? colours[i].dark : colours[i].light);
	}
}

static void page_style(struct markup *m)
{
	markup_raw(m, ":root{color-scheme:light dark");
	page_colours(m, false);
	markup_raw(m, "}\n@media(prefers-color-scheme:dark){:root{");
	page_colours(m, true);
	markup_raw(m, "}}\n");
	markup_raw(m, style);
}

void document_open(struct markup *m, const char *title)
{
	markup_raw(m, "<!DOCTYPE html>\n");
	markup_open(m, "html");
	markup_attribute(m, "lang", "en");
	markup_open(m, "head");
	markup_open(m, "meta");
	markup_attribute(m, "charset", "utf-8");
	markup_close(m);
	markup_open(m, "meta");
	markup_attribute(m, "name", "viewport");
	markup_attribute(m, "content", "width=device-width, initial-scale=1");
	markup_close(m);
	markup_element(m, "title", NULL, title);
	markup_open(m, "style");
	page_style(m);
	markup_close(m);
	markup_close(m);
	markup_open(m, "body");
	markup_element(m, "h1", NULL, title);
}

void document_close(struct markup *m)
{
	while (m->depth)
		markup_close(m);
}

void document_section_open(struct markup *m, const char *id, const char *title)
{
	markup_open(m, "section");
	markup_attribute(m, "id", id);
	markup_element(m, "h2", NULL, title);
}

void document_section_close(struct markup *m)
{
	markup_close(m);
}

void document_figures_open(struct markup *m)
{
	markup_open_class(m, "div", "figures");
	markup_text(m, "\n");
}

void document_figures_close(struct markup *m)
{
	markup_close(m);
}

int document_write(const struct markup *m, const char *path)
{
	FILE *f = fopen(path, "wb");
	bool whole;

	if (!f)
		return E_IO;
	whole = fwrite(m->text.data, 1, m->text.len, f) == m->text.len;
	return fclose(f) || !whole ? E_IO : 0;
}
