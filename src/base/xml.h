/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text in XML, such as the SVG of figures.
 */
#ifndef RAFTSUP_BASE_XML_H
#define RAFTSUP_BASE_XML_H

#include <stdio.h>

/*
 * Writes `text` so that it is itself between tags and between double quotes.
 * Control characters, which XML 1.0 does not allow or would fold, become
 * spaces; all other bytes are written as they are. Whether everything reached
 * the file is ferror()'s to say.
 */
void xml_put_text(FILE *file, const char *text);

#endif
