/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What XML gives a meaning to is written by its name.
 */
#include "base/xml.h"

void
xml_put_text(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", file);
			break;
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		case '"':
			fputs("&quot;", file);
			break;
		default:
			fputc((unsigned char)*text < 0x20 ? ' ' : *text,
			    file);
		}
	}
}
