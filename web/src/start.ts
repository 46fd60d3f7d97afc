// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Starts the page, signs in and out, and asks the service again at intervals.

import { computed, effect, untracked } from "@preact/signals";
import { asRefusal, isAway, key, storeKey } from "./api";
import { checkPictures, pictures, restorePictures, watchPreviewParameters } from "./pictures";
import { plan, watchRecipe } from "./recipe";
import { clearRuns, loadRuns, pollRuns, watchChosenRun } from "./runs";
import {
  describeService,
  followAddress,
  isSignedIn,
  loadAccount,
  models,
  openApi,
  refusal,
  watchReturn,
} from "./session";
import { FRONT } from "./sides";

const POLL_MS = 2500;

const acceptedKey = computed(() => (isSignedIn.value ? key.value : null)); // "" where the service needs none

let loading: Promise<void> = Promise.resolve();

export async function start(): Promise<void> {
  addEventListener("hashchange", () => void followAddress());
  watchChosenRun();
  watchPreviewParameters();
  await followAddress();
  await describeService();
  await restorePictures();
  effect(() => {
    if (acceptedKey.value !== null) loading = untracked(load);
  });
  watchRecipe();
  watchReturn();
  setInterval(() => void poll(), POLL_MS);
  addEventListener("visibilitychange", () => {
    if (!document.hidden && isSignedIn.value) void loadRuns().catch(() => undefined); // signed links expire
  });
}

export async function signIn(text: string): Promise<void> {
  storeKey(text);
  await loading;
}

export function signOut(): void {
  storeKey("");
  clearRuns();
  models.value = [];
  plan.value = null;
}

/** Load what belongs to this key. */
async function load(): Promise<void> {
  try {
    await loadAccount();
    await loadRuns();
    const front = pictures.value[FRONT];
    if (front && !front.cutout) void checkPictures();
  } catch (error) {
    const refused = asRefusal(error);
    if (refused.status === 401) storeKey("");
    refusal.value = refused;
  }
}

async function poll(): Promise<void> {
  if (document.hidden) return;
  if (!isAway.value) return await pollRuns();
  if (!openApi.value) await describeService();
  if (isSignedIn.value) await load();
}
