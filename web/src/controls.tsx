// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Small controls that several parts of the page use.

import type { ComponentChildren } from "preact";

interface SegmentsProps<Name extends string> {
  label: string;
  /** Of the radio buttons; no other group on the page may have it. */
  group: string;
  names: readonly Name[];
  value: Name | undefined;
  onChoose: (name: Name) => void;
  isSmall?: boolean;
}

/** One choice of a few, side by side. */
export function Segments<Name extends string>({ label, group, names, value, onChoose, isSmall }: SegmentsProps<Name>) {
  return (
    <div class={isSmall ? "segments small" : "segments"} role="radiogroup" aria-label={label}>
      {names.map((name) => (
        <label key={name}>
          <input type="radio" name={group} checked={value === name} onChange={() => onChoose(name)} />
          <span>{name}</span>
        </label>
      ))}
    </div>
  );
}

/** A link that opens beside the page. */
export function OutLink({ href, children }: { href: string; children: ComponentChildren }) {
  return (
    <a href={href} target="_blank" rel="noreferrer">
      {children}
    </a>
  );
}
