// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0

import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { Account, Outside } from "./account";
import { credits, isAway } from "./api";
import { Docs } from "./docs";
import { Gallery } from "./gallery";
import { Go, Settings } from "./settings";
import { Stage } from "./stage";
import { begin, isBack, isIn, needsKey, said, shared, tab } from "./state";
import "./style.css";
import { Views } from "./drop_zones";

const TABS = [
  ["make", "Make"],
  ["models", "Models"],
  ["docs", "Docs"],
  ["account", "Account"],
] as const;
const THEMES = ["auto", "light", "dark"];

const isReady = signal(false);
const theme = signal(localStorage.getItem("fourview.theme") ?? "auto");

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  localStorage.setItem("fourview.theme", theme.value);
});

function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
      <path class="a" d="M3 3h12v12H3z" />
      <path class="b" d="M17 3h12v12H17zM3 17h12v12H3z" />
      <path class="c" d="M17 17h12L17 29z" />
    </svg>
  );
}

function Page() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}
      >
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="#make">
          <Logo />
          fourview
        </a>
        <nav aria-label="Parts of the page">
          {TABS.map(([name, words]) => (
            <a key={name} href={`#${name}`} aria-current={tab.value === name ? "page" : undefined}>
              {words}
            </a>
          ))}
        </nav>
        <span class="push" />
        {isIn.value && needsKey.value && credits.value !== null && (
          <a class="credits" href="#account">
            <b>{credits.value}</b> credits
          </a>
        )}
        <button
          type="button"
          class="bare"
          onClick={() => (theme.value = next)}
          aria-label={`Colours: ${theme.value}. Change to ${next}`}
          title={`Colours: ${theme.value}`}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <circle cx="8" cy="8" r="5.500" />
            <path class="solid" d="M8 2.500a5.500 5.500 0 0 1 0 11Z" />
          </svg>
        </button>
      </header>
      <div class="banner" role="status">
        {isAway.value ? (
          <p class="note warn">
            The service does not answer. This page tries again every few seconds; runs that were accepted go on, and
            nothing is lost.
          </p>
        ) : (
          isBack.value && <p class="note good">The service answers again; everything is as it was.</p>
        )}
      </div>
      {tab.value === "models" ? (
        <Gallery />
      ) : tab.value === "docs" ? (
        <Docs />
      ) : tab.value === "account" ? (
        <Account />
      ) : (
        <main id="main" tabIndex={-1} class={shared.value ? "make alone" : "make"}>
          <h1 class="unseen">Make a model of four pictures</h1>
          {!shared.value && (
            <div class="panel">
              {isReady.value && !isIn.value && (
                <section class="gate">
                  <h2>Sign in</h2>
                  <Outside />
                </section>
              )}
              <Views />
              <Settings />
              <Go />
            </div>
          )}
          <Stage />
        </main>
      )}
      <p class="unseen" role="status" aria-live="polite">
        {said.value}
      </p>
    </>
  );
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
void begin().then(() => (isReady.value = true));
