// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Numbers, sizes and dates as text.

export function amount(value: number | null): string {
  return value === null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

export function fileSize(bytes: number): string {
  const text = bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return text.replace(" ", "\u00a0");
}

export function dateTime(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function date(moment: string): string {
  return new Date(moment).toLocaleDateString(undefined, { dateStyle: "medium" });
}
