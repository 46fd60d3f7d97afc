// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The pictures in the drop zones, their cut-outs, and what the service finds wrong with them.

import { computed, effect, signal, untracked } from "@preact/signals";
import type { Preview, Warning } from "./api";
import { ask, asRefusal, call } from "./api";
import { bodySchema } from "./openapi";
import type { Picture, Pictures } from "./picture_store";
import { DROP_ZONES, storedPictures, storePictures } from "./picture_store";
import { recipe } from "./recipe";
import { announcement, isSignedIn, openApi } from "./session";
import { shrink } from "./shrink";
import { sidesFromNames } from "./side_from_name";
import type { Side } from "./sides";
import { FRONT, SIDE_NAMES } from "./sides";

const PREVIEW = "/api/v1/views/preview";

export const pictures = signal<Pictures>({});
export const showsCutouts = signal(false);
export const isChecking = signal(false); // a preview is on its way
export const warnings = signal<Warning[]>([]); // on which the pictures disagree
export const fileError = signal(""); // about the files that were added last
export const previewError = signal(""); // why there is no preview

/** The parameters that a preview reads, with their values. */
const previewParameters = computed(() => {
  const known = Object.keys(bodySchema(openApi.value, PREVIEW, "form")?.properties ?? {});
  return Object.entries(recipe.value).filter(([name, value]) => known.includes(name) && value !== null);
});

export async function addPictures(files: readonly File[], wanted?: Side): Promise<void> {
  fileError.value = "";
  const good = files.filter((file) => /^image\/(png|jpeg|webp)$/.test(file.type));
  if (good.length < files.length)
    fileError.value = "Only PNG, JPEG and WebP pictures can be used. Other files were left out.";
  const taken = SIDE_NAMES.filter((side) => pictures.value[side]);
  const names = good.map((file) => file.name);
  const next = { ...pictures.value };
  let count = 0;
  for (const [index, side] of sidesFromNames(names, taken, wanted).entries()) {
    const file = good[index] as File;
    if (!side) {
      fileError.value = "Only four pictures can be used, one for each side. The others were left out.";
      continue;
    }
    try {
      next[side] = await shrink(file);
      count += 1;
    } catch {
      fileError.value = `The file “${file.name}” is damaged or not a picture. Save it again as PNG, JPEG or WebP.`;
    }
  }
  if (count) await setPictures(next);
}

export async function addSample(name: string, kind: string): Promise<void> {
  const load = async (side: Side): Promise<[Side, Picture]> => {
    const response = await call(`/samples/${name}/${side}.${kind}`);
    return [side, { name: `${side}.${kind}`, blob: await response.blob() }];
  };
  try {
    const found = await Promise.all(SIDE_NAMES.map(load));
    fileError.value = "";
    await setPictures(Object.fromEntries(found));
  } catch (error) {
    fileError.value = asRefusal(error).message;
  }
}

export async function swapSides(one: Side, other: Side): Promise<void> {
  const { [one]: first, [other]: second, ...rest } = pictures.value;
  await setPictures({ ...rest, ...(second && { [one]: second }), ...(first && { [other]: first }) });
  announcement.value = `Swapped ${one} and ${other}`;
}

export async function removePicture(side: Side): Promise<void> {
  const { [side]: _, ...rest } = pictures.value;
  await setPictures(rest);
}

/** Put pictures into the drop zones in place of those that are there. */
export async function setPictures(next: Pictures): Promise<void> {
  pictures.value = next;
  warnings.value = [];
  await storePictures(DROP_ZONES, next);
  await checkPictures();
}

/** Bring back the pictures of the last visit; what was added since stays. */
export async function restorePictures(): Promise<void> {
  pictures.value = { ...(await storedPictures(DROP_ZONES)), ...pictures.value };
}

/** From now on check the pictures again when a parameter changes that a preview reads. */
export function watchPreviewParameters(): void {
  const now = computed(() => JSON.stringify(previewParameters.value));
  let before = now.peek();
  effect(() => {
    if (now.value === before) return;
    before = now.value;
    untracked(() => void checkPictures());
  });
}

let checking: AbortController | undefined;

/** Ask for the cut-outs and for what the pictures disagree on; that is free. */
export async function checkPictures(): Promise<void> {
  checking?.abort();
  previewError.value = "";
  const own = new AbortController();
  checking = own;
  const given = pictures.value;
  if (!given[FRONT] || !isSignedIn.value) return;
  isChecking.value = true;
  const form = formOf(given);
  for (const [name, value] of previewParameters.value) form.set(name, String(value));
  try {
    const found = await ask<Preview>(PREVIEW, { method: "POST", body: form, signal: own.signal });
    warnings.value = found.warnings;
    const next: Pictures = {};
    for (const side of SIDE_NAMES) {
      const picture = pictures.value[side];
      const view = found.views[side];
      if (picture) next[side] = view ? { ...picture, cutout: view.cutout } : picture;
    }
    pictures.value = next;
    await storePictures(DROP_ZONES, next);
  } catch (error) {
    if (!own.signal.aborted) previewError.value = asRefusal(error).message;
  } finally {
    if (checking === own) isChecking.value = false;
  }
}

/** A form with each picture in the field of its side. */
export function formOf(given: Pictures): FormData {
  const form = new FormData();
  for (const side of SIDE_NAMES) {
    const picture = given[side];
    if (picture) form.set(side, picture.blob, `${side}.${picture.blob.type.split("/")[1] ?? "png"}`);
  }
  return form;
}
