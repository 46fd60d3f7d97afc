// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The frame of the page: header, tabs, colours, banner.

import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { Account, SignIn } from "./account";
import { credits, isAway } from "./api";
import { Docs } from "./docs";
import { DropZones } from "./drop_zones";
import { Gallery } from "./gallery";
import type { Tab } from "./session";
import { announcement, isBack, isSignedIn, needsKey, sharedModel, tab } from "./session";
import { Settings, StartButton } from "./settings";
import { Stage } from "./stage";
import { start } from "./start";
import "./style.css";

const TABS: Record<Tab, { title: string; Content: () => preact.JSX.Element }> = {
  make: { title: "Make", Content: Make },
  models: { title: "Models", Content: Gallery },
  docs: { title: "Docs", Content: Docs },
  account: { title: "Account", Content: Account },
};
const THEME = "fourview.theme";
const THEMES = ["auto", "light", "dark"];

const isReady = signal(false); // it is known who is signed in
const theme = signal(localStorage.getItem(THEME) ?? "auto");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem(THEME, theme.value);
});

function Page() {
  const { Content } = TABS[tab.value];
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <Header />
      <div class="banner" role="status">
        <Banner />
      </div>
      <Content />
      <p class="unseen" role="status" aria-live="polite">
        {announcement.value}
      </p>
    </>
  );
}

function Header() {
  const showsCredits = isSignedIn.value && needsKey.value && credits.value !== null;
  return (
    <header class="top">
      <a class="brand" href="#make">
        <Logo />
        fourview
      </a>
      <nav aria-label="Pages">
        {Object.entries(TABS).map(([name, { title }]) => (
          <a key={name} href={`#${name}`} aria-current={tab.value === name ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <span class="push" />
      {showsCredits && (
        <a class="credits" href="#account">
          <b>{credits.value}</b> credits
        </a>
      )}
      <ThemeButton />
    </header>
  );
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
      <path class="a" d="M3 3h12v12H3z" />
      <path class="b" d="M17 3h12v12H17zM3 17h12v12H3z" />
      <path class="c" d="M17 17h12L17 29z" />
    </svg>
  );
}

function ThemeButton() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  const change = () => {
    theme.value = next;
  };
  return (
    <button
      type="button"
      class="bare"
      onClick={change}
      aria-label={`Colours: ${theme.value}. Change to ${next}`}
      title={`Colours: ${theme.value}`}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="5.500" />
        <path class="solid" d="M8 2.500a5.500 5.500 0 0 1 0 11Z" />
      </svg>
    </button>
  );
}

function Banner() {
  if (isAway.value)
    return (
      <p class="note warn">
        The service does not answer. This page tries again every few seconds. Runs that were accepted continue.
      </p>
    );
  return isBack.value ? <p class="note good">The service answers again. Nothing is lost.</p> : null;
}

function Make() {
  const isShared = sharedModel.value !== null;
  return (
    <main id="main" tabIndex={-1} class={isShared ? "make alone" : "make"}>
      <h1 class="unseen">Make a model from four pictures</h1>
      {!isShared && (
        <div class="panel">
          {isReady.value && !isSignedIn.value && (
            <section class="gate">
              <h2>Sign in</h2>
              <SignIn />
            </section>
          )}
          <DropZones />
          <Settings />
          <StartButton />
        </div>
      )}
      <Stage />
    </main>
  );
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
void start().then(() => {
  isReady.value = true;
});
