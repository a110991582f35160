/** The few drawings of the page. All are decoration: what they mean is said in text beside them. */
import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect class="logo-ground" width="32" height="32" rx="7" />
    <path class="logo-mark" d="M6 6v7h7zM13 13v7h7zM6 22h20v4H6z" />
  </svg>
);

export const Grip = () => (
  <Icon>
    <path d="M7 5h.01M7 10h.01M7 15h.01M13 5h.01M13 10h.01M13 15h.01" />
  </Icon>
);
export const Pencil = () => (
  <Icon>
    <path d="M4 16l1-4 8.5-8.5 3 3L8 15z" />
  </Icon>
);
export const Cross = () => (
  <Icon>
    <path d="M5 5l10 10M15 5L5 15" />
  </Icon>
);
export const Plus = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);
export const Upload = () => (
  <Icon>
    <path d="M10 13V4M6 8l4-4 4 4M4 16h12" />
  </Icon>
);
export const Arrow = () => (
  <Icon>
    <path d="M10 16V4M5 9l5-5 5 5" />
  </Icon>
);
export const Play = () => (
  <Icon>
    <path d="M6 4l10 6-10 6z" fill="currentColor" />
  </Icon>
);
export const Stop = () => (
  <Icon>
    <path d="M5 5h10v10H5z" fill="currentColor" />
  </Icon>
);
export const Sun = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M4.3 15.7l1.4-1.4M14.3 5.7l1.4-1.4" />
  </Icon>
);
export const Moon = () => (
  <Icon>
    <path d="M15.5 12.2A6.5 6.5 0 0 1 7.8 4.5a6.5 6.5 0 1 0 7.7 7.7z" />
  </Icon>
);
export const Key = () => (
  <Icon>
    <circle cx="7" cy="13" r="3" />
    <path d="M9.2 10.8L16 4M13 7l2.5 2.5" />
  </Icon>
);
