/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error codes. The table in err.h is expanded here twice: to texts and to
 * exit statuses, both found by code.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *
err_text(int code)
{
	switch (code) {
#define ERR_TEXT_(name, code, status, text) \
	case name:                          \
		return text;
		ERR_TABLE(ERR_TEXT_)
#undef ERR_TEXT_
	}
	return "unknown error";
}

int
err_exit_status(int code)
{
	switch (code) {
#define ERR_STATUS_(name, code, status, text) \
	case name:                            \
		return status;
		ERR_TABLE(ERR_STATUS_)
#undef ERR_STATUS_
	}
	return 70;
}

int
err_from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case EACCES:
	case EPERM:
		return ERR_PERMISSION;
	case ENOMEM:
		return ERR_NOMEM;
	case ENOENT:
		return ERR_NOT_FOUND;
	default:
		return ERR_IO;
	}
}

int
err_set(struct err_buf *buf, int code, const char *fmt, ...)
{
	int saved_errno = errno;
	va_list ap;

	if (buf != NULL) {
		va_start(ap, fmt);
		vsnprintf(buf->text, sizeof(buf->text), fmt, ap);
		va_end(ap);
	}
	errno = saved_errno;
	return code;
}

int
err_set_errno(struct err_buf *buf, const char *fmt, ...)
{
	int saved_errno = errno;
	size_t length;
	va_list ap;

	if (buf != NULL) {
		va_start(ap, fmt);
		vsnprintf(buf->text, sizeof(buf->text), fmt, ap);
		va_end(ap);
		length = strlen(buf->text);
		snprintf(buf->text + length, sizeof(buf->text) - length, ": %s",
		    strerror(saved_errno));
	}
	errno = saved_errno;
	return err_from_errno(saved_errno);
}
